"""Self-contained HTML pages: the frame, SVG axes and charts, and how figures are written."""
