"""The two calls of nnU-Net v2 (2.8.1) that the adapter makes: what they take and give, and that they print."""
