"""What an application's events are, for other programs: an AsyncAPI document, and types for the official client.

Reads a hub and changes nothing; knows no transport. read.py: the events; types.py: their types as JSON Schema;
asyncapi.py and typescript.py: what is written.
"""

from fastsio.schema.asyncapi import asyncapi
from fastsio.schema.read import Application, SchemaError, read
from fastsio.schema.typescript import typescript

__all__ = ["Application", "SchemaError", "asyncapi", "read", "typescript"]
