"""A chat template of somebody else's ends in time, in bounds, and reaches nothing."""

import threading
import time
from pathlib import Path

import pytest

from rsfm.errors import UserError
from rsfm.text import templates
from rsfm.text.templates import rendered

HOSTILE = {
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "recursion": "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
    "multiplied": "{{ 'x' * 9999999999 }}",
    "doubled": "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
    "replaced": "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s|replace('x','xxxx') %}{% endfor %}{{n.s}}",
    "padded": "{{ 'x'|center(9999999999) }}",
    "formatted": "{{ '%09999999999d' % 1 }}",
    "filled": "{{ '{:>99999999999}'.format(1) }}",
    "power": "{{ 9 ** 9 ** 9 ** 9 }}",
    "listed": "{% for a in range(99999) %}{% set x = range(99999)|list %}{{ x|sort|join }}{% endfor %}",
    "division": "{{ 1 // 0 }}",
    "missing": "{{ messages[7].content.x }}",
    "type": "{{ messages + 3 }}",
    "nested": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "blocks": "{% if true %}" * 3000 + "{% endif %}" * 3000,
    "classes": "{{ messages.__class__.__mro__[1].__subclasses__() }}",
    "globals": "{{ raise_exception.__globals__['sys'] }}",
    "attributes": "{{ cycler.__init__.__globals__.os.system('true') }}",
    "formats": "{{ '{0.__class__.__init__.__globals__}'.format(raise_exception) }}",
    "imports": "{% import 'os' as os %}",
    "includes": "{% include '/etc/passwd' %}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered("{{ messages }}", {"messages": []})  # the process is up
    monkeypatch.setattr(templates, "SECONDS", 3.0)
    begin = time.monotonic()
    with pytest.raises(UserError, match="chat template") as told:
        text = rendered(HOSTILE[name], {"messages": [{"role": "user", "content": "?"}]})
        assert "os" not in text
        raise UserError("chat template: harmless")
    assert "\n" not in str(told.value) and len(str(told.value)) < 500 and time.monotonic() - begin < 20
    assert rendered("{{ messages }}", {"messages": "again"}) == "again"


def test_what_a_template_may_not_reach_is_not_there() -> None:
    for name in ("classes", "globals", "attributes", "formats", "imports", "includes"):
        with pytest.raises(UserError, match="chat template (refuses|is not valid)"):
            rendered(HOSTILE[name], {"messages": []})


def test_threads_share_the_process(tmp_path: Path) -> None:
    wrong: list[str] = []

    def work(name: str) -> None:
        for i in range(50):
            if rendered("{{ a }}-{{ b }}", {"a": name, "b": i}) != f"{name}-{i}":
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(f"t{i}\n\u2028\ue000",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
