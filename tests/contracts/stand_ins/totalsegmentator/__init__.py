"""What the bone adapter uses of TotalSegmentator (2.18.0); it writes and sends where the real one does."""
