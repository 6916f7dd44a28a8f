"""What the recorded calls tell: where the money and the time go, what is wasted, and which calls belong together.

Reads calls and prices; decides nothing. Every figure says how many calls it rests on, and money that nobody can price
is counted beside the sum, never in it.
"""
