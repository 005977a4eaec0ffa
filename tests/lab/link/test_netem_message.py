"""What netem is told by a message is what ``tc`` would tell it: both are asked of a guest's kernel, and compared."""

from __future__ import annotations

import ast
import statistics
import struct
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.lab.guest import initramfs as cpio
from patchkit.lab.guest.packages import fetched, pins
from patchkit.lab.guest.userland import Userland
from patchkit.lab.link import uml
from patchkit.lab.link.netem_rules import qdisc
from patchkit.lab.link.netns import unseeded
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.uml_process import boot
from patchkit.lab.model.scenario import Burst, Flow, built_in
from patchkit.lab.model.trial import DIRECTIONS
from patchkit.lab.runner import netem, uml_start
from patchkit.ui import Ui

SEED = 42
OTHERS = [
    Flow(),
    Flow(delay_ms=50.25, jitter_ms=5, distribution="normal", loss=33.3333),
    Flow(delay_ms=50, jitter_ms=5, distribution="pareto"),
    Flow(delay_ms=50, jitter_ms=5),
    Flow(burst=Burst(to_bad=2.5, to_good=25, loss_in_bad=90, loss_in_good=1)),
    Flow(burst=Burst(to_bad=2.7778, to_good=25), duplicate=0.1, delay_ms=0.001, reorder=1e-5),
    Flow(delay_ms=1.5, duplicate=10, reorder=25),
    Flow(delay_ms=1, rate_kbit=128, queue=50),
    Flow(rate_kbit=2e6, queue=50),
    Flow(rate_kbit=4e7),
]
FLOWS = list(dict.fromkeys([*OTHERS, *(it.flow(way) for it in built_in().values() for way in DIRECTIONS)]))
# In the guest: each qdisc is set by tc and by the message, and the kernel asked for it (it does not give tables).
SCRIPT = """
sys.meta_path.insert(0, Bundle())
import _socket, os, struct
from runner import netem, network, uml_guest
from runner.netlink import Netlink
from runner.process import call
os.environ["PATH"] = "/usr/sbin:/usr/bin"
network.build()
index = _socket.if_nametoindex(network.TO_CLIENT)

def options():
    asked = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _socket.NETLINK_ROUTE)
    asked.send(struct.pack("=IHHIIBxxxiIII", 36, 38, 0x301, 1, 0, 0, index, 0, 0, 0))
    data, found = asked.recv(1 << 16), []
    while data:
        length, kind = struct.unpack_from("=IH", data)
        if kind == 36 and struct.unpack_from("=i", data, 20)[0] == index:
            found.append(data[36:length].hex())
        data = data[(length + 3) & ~3:]
    asked.close()
    return found

answers = []
with open("/lab/flows") as file:
    flows = eval(file.read())
for words, described in flows:
    call(["tc", "qdisc", "replace", "dev", network.TO_CLIENT, "root", *words.split()])
    by_tc = options()
    call(["tc", "qdisc", "del", "dev", network.TO_CLIENT, "root"])
    network.shape(described, described)
    answers.append((by_tc, options()))
    call(["tc", "qdisc", "del", "dev", network.TO_CLIENT, "root"])
uml_guest.answer_with(repr(answers).encode())
"""


def tc_words(flow: Flow) -> str:
    """What a user would tell ``tc``: see tc-netem(8)."""
    words = f"netem limit {flow.queue} delay {flow.delay_ms}ms"
    if flow.jitter_ms:
        words += f" {flow.jitter_ms}ms" + (
            f" distribution {flow.distribution}" if flow.distribution != "uniform" else ""
        )
    if flow.burst:
        it = flow.burst
        words += f" loss gemodel {it.to_bad}% {it.to_good}% {it.loss_in_bad}% {it.loss_in_good}%"
    words += f" loss random {flow.loss}%" if flow.loss else ""
    words += f" duplicate {flow.duplicate}%" if flow.duplicate else ""
    words += f" reorder {flow.reorder:f}%" if flow.reorder else ""
    words += f" rate {flow.rate_kbit:f}kbit" if flow.rate_kbit else ""
    return f"{words} seed {SEED}"


@pytest.mark.slow
def test_the_kernel_has_from_a_message_what_it_has_from_tc(uml_machine: uml.Machine, shared_cache: Cache) -> None:
    guest = Userland.unpacked(fetched(pins(), Context(shared_cache, Ui(quiet=True))))
    start = Path(uml_start.__file__).read_text().partition("\n\nif __name__")[0]
    flows = [(tc_words(flow), qdisc(flow, SEED)) for flow in FLOWS]
    files = {"lab/script.py": cpio.regular((start + SCRIPT).encode()), "lab/flows": cpio.regular(repr(flows).encode())}
    archives = [uml_machine.image.base, cpio.archive({**guest.programs("usr/sbin/tc"), **files})]
    answer = boot(
        uml_machine.kernel, archives, "/lab/script.py",
        wall_limit=120, groups=ProcessGroups(), initrds=uml_machine.initrds,
    )  # fmt: skip
    asked = ast.literal_eval(answer.decode())
    assert len(asked) == len(FLOWS) > 15
    for (words, _), (by_tc, by_message) in zip(flows, asked, strict=True):
        assert len(by_tc) == 1, words
        assert by_message == by_tc, words


def test_a_seed_can_be_left_out() -> None:
    described = qdisc(Flow(delay_ms=50, loss=20), SEED)
    order = {"turns": [{"seed": 1, "qdiscs": {"up": described, "down": described}}]}
    (turn,) = unseeded(order)["turns"]
    assert turn["qdiscs"]["up"] == {key: value for key, value in described.items() if key != "seed"}
    assert len(netem.options(described)) - len(netem.options(turn["qdiscs"]["up"])) == 4 + 8


def test_a_table_of_delays_is_read_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small.dist").write_text("# a comment\n -32768 -1 0\n 1 32767\n")
    monkeypatch.setattr(netem, "_TABLES", (str(tmp_path / "none"), str(tmp_path)))
    options = netem.options({"options": "", "distribution": "small"})
    assert options == struct.pack("=HH5h2x", 4 + 10, 2, -32768, -1, 0, 1, 32767)
    with pytest.raises(FileNotFoundError, match=r"none/other\.dist"):
        netem.options({"options": "", "distribution": "other"})


@pytest.mark.slow
def test_the_guests_normal_distribution_has_the_deviation_that_netem_scales_by(shared_cache: Cache) -> None:
    guest = Userland.unpacked(fetched(pins(), Context(shared_cache, Ui(quiet=True))))
    text = guest.files["usr/lib/x86_64-linux-gnu/tc/normal.dist"].data.decode()
    numbers = [int(number) for line in text.splitlines() if not line.startswith("#") for number in line.split()]
    assert statistics.pstdev(numbers) == pytest.approx(8192, rel=0.02)  # NETEM_DIST_SCALE, linux/pkt_sched.h
