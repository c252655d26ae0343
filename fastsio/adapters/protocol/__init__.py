"""What servers tell each other, whatever carries it.

| module | |
|---|---|
| messages | the kinds of messages, and whom one concerns |
| wire | messages as bytes, in the format of Node's adapters |
"""
