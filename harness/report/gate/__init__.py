"""The regression gate: results stored, and compared with later ones."""
