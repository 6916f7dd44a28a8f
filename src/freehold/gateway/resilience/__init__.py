"""How calls survive their providers: deadlines, retries within a budget, ejection, limits, queues, hedges.

Pure machinery with a clock that is given to it; it knows no sockets and no dialects. `health.Health` knows how every
(provider, model) is doing and who may be asked now; `course.Course` is one call's way through its targets;
`judgement.judge` says what an answer means for both. Nothing is imported here.
"""
