"""Networks: their weights, their views of a tile, and the maps they answer with."""
