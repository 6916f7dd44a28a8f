"""What things cost: token prices by date, open weights sold per token, GPU rental, measured serving throughput.

Knows catalogues and contracts; knows nothing of traffic. Every figure leaves with its source and date. Offline: token
prices are the data that `genai-prices` ships, loaded at the first question.
"""
