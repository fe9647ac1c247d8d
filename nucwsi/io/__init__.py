"""Reading and writing: slides, stores, tables and GeoJSON."""
