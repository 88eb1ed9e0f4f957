"""Parts that several data sets share."""
