"""The smoothest probability that agrees with the evidence: a random walk with priors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from imaging.arrays import FloatArray

__all__ = ["random_walk"]

# Probability is needed to a few thousandths; conjugate gradients get there in some twenty steps.
RELATIVE_RESIDUAL = 1e-3
MOST_STEPS = 200


def random_walk(
    log_odds: NDArray[np.float32], weights: tuple[NDArray[np.float32], ...], *, evidence: float
) -> NDArray[np.float32]:
    """The probability in each voxel that a walk from it ends inside rather than outside.

    Minimises Σ weight·(p_i − p_j)² over neighbours + evidence·Σ|2q − 1|·(p − round(q))² with q = logistic(log_odds):
    undecided voxels are ruled by their neighbours.

    Parameters
    ----------
    log_odds, weights
        As in :func:`imaging.segmentation.graph_cut.graph_cut`.
    evidence
        Weight of a voxel's own evidence against that of one neighbour.

    Source: Grady, "Multilabel random walker image segmentation using prior models", CVPR 2005.

    Examples
    --------
    >>> odds = np.zeros((1, 1, 5), np.float32); odds[..., 0], odds[..., 4] = 9, -9
    >>> p = random_walk(odds, tuple(np.ones(s, np.float32) for s in ((0, 1, 5), (1, 0, 5), (1, 1, 4))), evidence=1.0)
    >>> [round(float(value), 2) for value in p.ravel()]
    [0.83, 0.67, 0.5, 0.33, 0.17]
    """
    size = log_odds.size
    node = np.arange(size).reshape(log_odds.shape)
    pairs = [(node[:-1], node[1:]), (node[:, :-1], node[:, 1:]), (node[:, :, :-1], node[:, :, 1:])]
    first = np.concatenate([one.ravel() for one, _ in pairs])
    second = np.concatenate([two.ravel() for _, two in pairs])
    weight = np.concatenate([part.ravel() for part in weights]).astype(np.float64)
    ends = np.concatenate([first, second]), np.concatenate([second, first])
    neighbours = csr_array((np.concatenate([weight, weight]), ends), shape=(size, size))
    own = evidence * np.abs(np.tanh(log_odds.ravel().astype(np.float64) / 2))
    towards = own * (log_odds.ravel() > 0)
    diagonal = np.asarray(neighbours.sum(axis=1)).ravel() + own + 1e-9
    system = csr_array(diags_array(diagonal) - neighbours)
    start = 1 / (1 + np.exp(-log_odds.ravel().astype(np.float64)))
    solution = _solved(system, diagonal, towards, start)
    return np.asarray(np.clip(solution, 0, 1).reshape(log_odds.shape), dtype=np.float32)


def _solved(system: csr_array, diagonal: FloatArray, right: FloatArray, start: FloatArray) -> FloatArray:
    """The solution by conjugate gradients, preconditioned with the diagonal.

    SciPy's own takes inner products from BLAS, whose last bits depend on the number of threads; a sum does not.

    Source: Golub and Van Loan, Matrix Computations, 4th ed., algorithm 11.5.1.
    """
    enough = RELATIVE_RESIDUAL * _length(right)
    if enough == 0:  # nothing draws a walk inside
        return np.zeros_like(start)
    solution, residual = start, right - system @ start
    direction, rise = np.zeros_like(start), 1.0
    for _ in range(MOST_STEPS):
        if _length(residual) <= enough:
            break
        scaled = residual / diagonal
        last, rise = rise, float((residual * scaled).sum())
        direction = scaled + (rise / last) * direction
        ahead = system @ direction
        step = rise / float((direction * ahead).sum())
        solution = solution + step * direction
        residual = residual - step * ahead
    return solution


def _length(vector: FloatArray) -> float:
    return float(np.sqrt((vector**2).sum()))
