from __future__ import annotations

import pytest

from imaging.errors import RecordError
from pipelines.reports.embed import embedded


def test_every_drawing_of_ours_may_stand_in_a_page(figures: dict[str, str]) -> None:
    for svg in figures.values():
        assert embedded(svg) == svg.replace(' xmlns="http://www.w3.org/2000/svg"', "")


@pytest.mark.parametrize(
    "svg",
    [
        "<svg><script>alert(1)</script></svg>",
        '<svg onload="alert(1)"></svg>',
        '<svg OnLoad="alert(1)"></svg>',
        "<svg onload=alert(1)></svg>",
        '<svg><image href="https://evil.example/x.png"/></svg>',
        '<svg><image href="data:image/svg+xml;base64,AAAA"/></svg>',
        '<svg><foreignObject width="1"></foreignObject></svg>',
        '<svg><a href="data:image/png;base64,"></a></svg>',
        '<svg><rect style="x"/></svg>',
        '<svg><rect fill="url(https://evil.example)"/></svg>',
        "<svg><!-- x --></svg>",
        "<svg><![CDATA[x]]></svg>",
        "<?xml version='1.0'?><svg></svg>",
        "<svg><text>a < b</text></svg>",
        "<svg><style>x</style></svg>",
    ],
)
def test_anything_else_is_refused(svg: str) -> None:
    with pytest.raises(RecordError) as refused:
        embedded(svg)
    assert refused.value.code == "FIGURE_NOT_OURS"
