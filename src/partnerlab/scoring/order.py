"""Which score is made first where one asks for another: the order of keys in a file says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from partnerlab.errors import SpecError
from partnerlab.scoring.scorecard import Score


def order_scores(scores: Mapping[str, Score]) -> list[str]:
    """Names of scores, each after those whose values or parts it asks for, otherwise as they are listed.

    Raises
    ------
    SpecError
        If scores ask for one another in a circle.

    Examples
    --------
    >>> base = Score.model_validate({"parts": [{"metric": "leads", "shape": {"ratio": 40}}]})
    >>> twice = Score.model_validate({"combine": "sum", "parts": [{"metric": "base", "shape": {"per": 2}}]})
    >>> order_scores({"twice": twice, "base": base})
    ['base', 'twice']
    """
    makers = {name: name for name in scores}
    for name, score in scores.items():
        makers |= {part.name: name for part in score.walk() if part.name != part.metric and part.name not in scores}
    before = {name: {makers[fact] for fact in score.needs() if makers.get(fact, name) != name} for name, score in scores.items()}
    if all(makers.get(each) in list(before)[:place] for place, name in enumerate(before) for each in before[name]):
        return list(scores)
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise SpecError(f"scores ask for one another: {circle}; take one of them out of the circle", key="scores") from None
