from fastsio._fanout import Sends

class Batch(Sends):
    calls: int
    sends_made: int

def new_batch() -> Batch | None: ...
