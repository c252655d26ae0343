"""The two API styles: argument shapes over the core, no state of their own."""
