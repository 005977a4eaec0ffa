"""What runs beside the peers, in the lab's guests and on a host alike: it knows Python's own library and nothing else.

It imports no more of that than it must: a guest loads it at every boot. It is told what to do in one JSON document
(patchkit/lab/link/runner_order.py writes it) and answers with one file.
"""
