"""Segmenters that others trained: each file adapts one of them to :class:`imaging.segmentation.backend.Segmenter`.

Nothing here is imported until a segmenter is named, and no adapter imports its package before it is used. Each is
named as NAME:LOCATION by the caller (a folder with weights, the address of a server), and nothing is ever fetched:
weights are put where the message of a missing one says.

Decision: what needs PyTorch runs in a child process (:mod:`.child`) that is cut off from the network. Those libraries
print to standard output, start pools and send statistics; a process of their own keeps all of it away from ours, and
gives their memory back. Consequence: each call pays the import (10–30 s), so a batch should prefer ONNX.

Decision: what needs PyTorch is no extra of this project. PyTorch comes in builds for processors and for each CUDA, of
which a locked extra would have to choose one, with gigabytes and proprietary libraries of NVIDIA in the lock file.
Consequence: the messages name the packages, and their versions are those that each adapter's docstring names.
"""
