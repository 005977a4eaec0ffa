"""What runs beside the peers, in the lab's machine and on a host alike: it knows Python's own library and nothing else.

It imports no more of that than it must: the guest compiles what it imports at every boot. It is told what to do in
one JSON document (patchkit/lab/orders.py writes it) and answers with one file.
"""
