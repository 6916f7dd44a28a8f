"""Wire formats to vocabulary and back: one folder per dialect, and server-sent events. Knows no sockets, no stores."""
