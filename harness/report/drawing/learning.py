"""Learning curves of a final training as a small SVG drawing; there is nothing in it but numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, MARGIN = 240, 96, 4


def learning_svg(learning: Mapping[str, Sequence[float]]) -> str:
    """Loss (dashed) and accuracy (solid) over the epochs, each from its smallest to its largest value.

    Returns:
        An ``<svg>`` element; empty with fewer than two epochs.
    """
    epochs, loss, accuracy = (list(learning.get(name, ())) for name in ("epoch", "loss", "accuracy"))
    if not 2 <= len(epochs) == len(loss) == len(accuracy):
        return ""
    first, last = 100 * accuracy[0], 100 * accuracy[-1]
    learnt = f"loss {loss[0]:.3g} to {loss[-1]:.3g}, training accuracy {first:.1f} to {last:.1f} %"
    label = f"{learnt} in {epochs[-1]:.3g} epochs"
    lines = (
        f'<polyline points="{_points(epochs, values)}" fill="none" stroke="currentColor" stroke-width="1.5"{dashes}/>'
        for values, dashes in ((loss, ' stroke-dasharray="4 3"'), (accuracy, ""))
    )
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg {size} role="img" aria-label="{label}"><title>{label}</title>{"".join(lines)}</svg>'


def _points(xs: Sequence[float], ys: Sequence[float]) -> str:
    scaled = zip(_scaled(xs, WIDTH), _scaled(ys, HEIGHT), strict=True)
    return " ".join(f"{x:.1f},{HEIGHT - y:.1f}" for x, y in scaled)


def _scaled(values: Sequence[float], length: int) -> list[float]:
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return [MARGIN + (length - 2 * MARGIN) * (value - low) / span for value in values]
