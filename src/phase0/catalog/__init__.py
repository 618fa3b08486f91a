"""Models, datasets and endpoints as dated data. Nothing here is code that decides."""
