"""What the front doors are made of: the engine behind other servers, and other applications beside it.

Knows nothing of Socket.IO. The doors themselves (asgi, attach, uvicorn, wsgi, serve) are beside this folder.
"""
