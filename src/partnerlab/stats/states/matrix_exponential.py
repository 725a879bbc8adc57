"""Exponentials of many small generators at many times, and their derivatives, without a Python loop over either.

``P(t) = exp(Q t)`` by eigenvalues where these are well conditioned, as Kalbfleisch and Lawless (1985),
doi:10.1080/01621459.1985.10478195, do; otherwise (equal eigenvalues without enough eigenvectors, such as a one-way chain with
equal intensities) by scaling, a Pade approximant and squaring (Higham 2005, doi:10.1137/04061101X), derivatives by blocks.
"""

from __future__ import annotations

import dataclasses

import numpy as np

#: Where the eigenvectors are worse conditioned than this, digits are lost: the other way is taken.
_WORST_CONDITION = 1e7

_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0, 10559470521600.0,
    670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip


def exponentials(matrices: np.ndarray) -> np.ndarray:
    """Exponential of each matrix in a stack, shape ``(..., s, s)``, by scaling, Pade [13/13] and squaring.

    Examples
    --------
    >>> exponentials(np.array([[[0.0, 1.0], [0.0, 0.0]]])).round(12).tolist()
    [[[1.0, 1.0], [0.0, 1.0]]]
    """
    norm = np.abs(matrices).sum(axis=-2).max(initial=0.0)
    squarings = max(0, int(np.ceil(np.log2(max(norm, 1e-300) / 5.0))))
    a = matrices / 2.0**squarings
    one, c = np.eye(a.shape[-1]), _PADE
    a2 = a @ a
    a4, a6 = a2 @ a2, a2 @ a2 @ a2
    odd = a @ (a6 @ (c[13] * a6 + c[11] * a4 + c[9] * a2) + c[7] * a6 + c[5] * a4 + c[3] * a2 + c[1] * one)
    even = a6 @ (c[12] * a6 + c[10] * a4 + c[8] * a2) + c[6] * a6 + c[4] * a4 + c[2] * a2 + c[0] * one
    found = np.linalg.solve(even - odd, even + odd)
    for _ in range(squarings):
        found = found @ found
    return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flows:
    """Exponentials ``P_u = exp(Q_g(u) t_u)`` of g generators, one for each of u times.

    Parameters
    ----------
    generators : ndarray, shape (g, s, s)
    time : ndarray, shape (u,)
    which : ndarray of int, shape (u,)
        Generator of each time.
    values, vectors, inverse : ndarray
        Eigenvalues ``(g, s)``, eigenvectors and their inverse ``(g, s, s)``, complex.
    sound : ndarray of bool, shape (g,)
        Where the eigenvectors can be trusted.
    """

    generators: np.ndarray
    time: np.ndarray
    which: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    inverse: np.ndarray
    sound: np.ndarray

    @classmethod
    def of(cls, generators: np.ndarray, time: np.ndarray, which: np.ndarray) -> Flows:
        """Take the generators apart."""
        values, vectors = np.linalg.eig(generators)
        with np.errstate(all="ignore"):
            condition = np.linalg.cond(vectors)
        sound = np.isfinite(condition) & (condition < _WORST_CONDITION)
        safe = np.where(sound[:, None, None], vectors, np.eye(generators.shape[-1]))
        return cls(
            generators=generators, time=time, which=which, values=values.astype(complex), vectors=safe.astype(complex),
            inverse=np.linalg.inv(safe).astype(complex), sound=sound,
        )  # fmt: skip

    def probabilities(self) -> np.ndarray:
        """Transition probabilities, shape ``(u, s, s)``.

        Examples
        --------
        >>> q = np.array([[[-0.5, 0.5], [0.0, 0.0]]])
        >>> Flows.of(q, np.array([2.0]), np.array([0])).probabilities().round(4).tolist()
        [[[0.3679, 0.6321], [0.0, 1.0]]]
        """
        which = self.which
        found = ((self.vectors[which] * np.exp(self.values[which] * self.time[:, None])[:, None, :]) @ self.inverse[which]).real
        rest = ~self.sound[which]
        if rest.any():
            found[rest] = exponentials(self.generators[which[rest]] * self.time[rest, None, None])
        return np.clip(found, 0.0, 1.0)

    def pull_back(self, weight: np.ndarray) -> np.ndarray:
        """Differentiate ``sum_u <weight_u, P_u>`` by each entry of each generator, shape ``(g, s, s)``.

        Parameters
        ----------
        weight : ndarray, shape (u, s, s)

        Examples
        --------
        Entry (0, 1) of exp(Q t) at Q = 0 grows with q_01 at rate t.

        >>> flows = Flows.of(np.zeros((1, 2, 2)), np.array([2.0]), np.array([0]))
        >>> flows.pull_back(np.array([[[0.0, 1.0], [0.0, 0.0]]]))[0].tolist()
        [[0.0, 2.0], [0.0, 0.0]]
        """
        gradient = np.zeros(self.generators.shape)
        easy = self.sound[self.which]
        if easy.any():
            which, time = self.which[easy], self.time[easy]
            outer = self.vectors[which].transpose(0, 2, 1) @ weight[easy] @ self.inverse[which].transpose(0, 2, 1)
            inner = outer * _divided_differences(self.values[which], time)
            summed = np.zeros(self.generators.shape, dtype=complex)
            np.add.at(summed, which, inner)
            gradient += (self.inverse.transpose(0, 2, 1) @ summed @ self.vectors.transpose(0, 2, 1)).real
        if not easy.all():
            which, time = self.which[~easy], self.time[~easy, None, None]
            np.add.at(gradient, which, directional(self.generators[which].transpose(0, 2, 1) * time, weight[~easy] * time))
        return gradient


def directional(matrices: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Differentiate ``exp(A + h E)`` at h = 0 for stacks of A and E, shape ``(..., s, s)`` (Van Loan 1978).

    Examples
    --------
    >>> directional(np.zeros((1, 1, 1)), np.ones((1, 1, 1))).round(12).tolist()
    [[[1.0]]]
    """
    s = matrices.shape[-1]
    block = np.zeros((*matrices.shape[:-2], 2 * s, 2 * s))
    block[..., :s, :s] = block[..., s:, s:] = matrices
    block[..., :s, s:] = direction
    return exponentials(block)[..., :s, s:]


def _divided_differences(values: np.ndarray, time: np.ndarray) -> np.ndarray:
    """``(exp(a t) - exp(b t)) / (a - b)`` for all pairs of eigenvalues, ``t exp(a t)`` on the diagonal; shape ``(u, s, s)``."""
    t = time[:, None, None]
    a, b = values[:, :, None], values[:, None, :]
    gap = a - b
    near = np.abs(gap) * t < 1e-5
    safe = np.where(near, 1.0, gap)
    apart = (np.exp(a * t) - np.exp(b * t)) / safe
    together = t * np.exp((a + b) / 2 * t) * (1.0 + (gap * t) ** 2 / 24.0)
    return np.where(near, together, apart)
