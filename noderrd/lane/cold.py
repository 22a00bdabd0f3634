"""What the loop returns to Python for: connecting, commands, reloads, the end. Never called while the loop turns.

Every step is short: the other venues wait meanwhile. A connection is made without blocking and its login is answered in the loop.
"""

import errno
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core import exposure, order_state, position, risk, soupbintcp
from core import layout as at
from core.codes import Command, Counter, Denial, EventKind, Halt, JournalKind, Loss, OrdStatus, Scope, Session, Side, TimeInForce
from core.integer import i64
from core.jit import entry, kernel
from noderrd.host import sockets
from noderrd.lane import checkpoint, decide, hand, orders, record, session
from noderrd.lane.clock import now
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec, VenueSpec

BACKOFF_NS = 100_000_000
BACKOFF_MAX_NS = 5_000_000_000
CONNECT_RETRY_NS = 10_000_000
FLATTEN_S = 0.5
KINDS: dict[int, JournalKind] = {
    Command.HALT: JournalKind.HALT,
    Command.KILL: JournalKind.HALT,
    Command.RESUME: JournalKind.RESUME,
    Command.RELEASE: JournalKind.RESUME,
}
REJECTS_MAX = 20  # a venue that still refuses then wants a person: 20 tries are some 80 s


@entry
def cancel_matching(lane: np.ndarray, insts: np.ndarray, limits: np.ndarray, venue: int, product: int, strat: int) -> int:
    """Cancel what matches (-1: any); gives how many were asked."""
    return orders.cancel_matching(lane, insts, limits, venue, product, strat)


@entry
def journal_words(lane: np.ndarray, kind: int, venue: int, strat: int, inst: int, ref: int, a: int, b: int, c: int, d: int) -> None:
    """Journal four words at the present time."""
    record.journal_words(lane, kind, venue, strat, inst, now(lane[0]["control"]), ref, a, b, c, d)


@entry
def go_on(lane: np.ndarray, v: int) -> None:
    """Ask a venue what it knows, over a connection that is there already."""
    session.ask(lane, v)


@entry
def lost(lane: np.ndarray, work: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray, v: int) -> None:
    """The session is gone: an order none of whose bytes went out is over; one not yet answered may or may not live."""
    order = lane[0]["orders"]
    k = i64(0)
    while k < lane[0]["n_live"]:
        slot = lane[0]["live"][k]
        k += 1
        if order[slot]["venue"] != v or order[slot]["ord_status"] != OrdStatus.PENDING_NEW:
            continue
        if order[slot]["sent"] == 0:
            inst = order[slot]["inst"]
            index = order[slot]["strat"] * insts.shape[0] + inst
            buy, sell = session.worst(positions, index)
            order_state.finish(order, slot, positions, index, OrdStatus.REJECTED)
            session.shift(lane, insts, products, positions, index, inst, buy, sell)
            orders.drop_live(lane, insts, slot)
            k -= 1
        else:
            order_state.crash_found(order, slot)
        record.notify_order(lane, work, insts, products, order, slot, now(lane[0]["control"]))


@entry
def recover(lane: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray) -> int:
    """After a death: undo a half-applied message, count anew what is derived. Gives how many orders may still be open.

    Reservations are summed from the orders, and sums of money from the positions, so that a death between two of its stores leaves no trace.
    """
    order = lane[0]["orders"]
    v = lane[0]["control"][0]["undo_venue"]
    order_state.undo(lane[0]["control"], order, positions, lane[0]["venues"][v]["order_seq"])
    for k in range(lane[0]["control"][0]["n_venues"]):
        seq = lane[0]["venues"][k]["order_seq"]
        lane[0]["venues"][k]["journaled_seq"] = seq if record.journaled(lane, k) == seq else i64(0)
    for i in range(positions.shape[0]):
        positions[i]["open_buy"] = 0
        positions[i]["open_sell"] = 0
        positions[i]["n_open"] = 0
    lane[0]["n_live"] = 0
    for slot in range(at.ORDER_SLOTS):
        if not order_state.live(order[slot]["ord_status"]):
            continue
        order_state.crash_found(order, slot)
        index = order[slot]["strat"] * insts.shape[0] + order[slot]["inst"]
        reserved = order[slot]["reserved_qty"]
        order[slot]["reserved_qty"] = 0
        order_state.reserve(order, slot, positions, index, max(reserved, order[slot]["leaves_qty"]))
        positions[index]["n_open"] += 1
        orders.add_live(lane, insts, slot)
        ref, pending = order[slot]["user_ref"], order[slot]["pending_ref"]
        lane[0]["ref_slots"][order[slot]["venue"]][ref & (at.REF_SLOTS - 1)] = slot
        if pending != 0:
            lane[0]["ref_slots"][order[slot]["venue"]][pending & (at.REF_SLOTS - 1)] = slot
    recount(lane, insts, products, positions, limits)
    return lane[0]["n_live"]


@kernel
def recount(lane: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray) -> None:
    """Sum up anew what is derived from positions: money by strategy and account, and this lane's lines of the exposure."""
    accounts = lane[0]["accounts"]
    for a in range(at.MAX_STRATEGIES + 1):
        accounts[a]["gross"] = 0
        accounts[a]["long"] = 0
        accounts[a]["short"] = 0
        accounts[a]["profit"] = 0
    n = insts.shape[0]
    for p in range(products.shape[0]):
        exposure.put(lane[0]["control"], products[p]["exposure_row"], i64(0), i64(0))
    for k in range(at.MONEY_ROWS):
        exposure.put(lane[0]["control"], lane[0]["control"][0]["money_row"] + k, i64(0), i64(0))
    for index in range(positions.shape[0]):
        positions[index]["gross"] = 0
        positions[index]["long"] = 0
        positions[index]["short"] = 0
        positions[index]["profit"] = 0
        buy, sell = session.worst(positions, index)
        if buy != 0 or sell != 0 or positions[index]["fills"] != 0 or positions[index]["cash"] != 0:
            risk.mark(lane, insts, positions, limits, index // n, index % n)
            exposure.change(lane[0]["control"], products[insts[index % n]["product"]]["exposure_row"], buy, sell)
    risk.publish(lane)


@entry
def forget_paper(
    lane: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray, v: int
) -> None:  # fmt: skip
    """End what a venue has on paper before real orders go there: its orders are over, its positions were never real."""
    order = lane[0]["orders"]
    k = i64(0)
    while k < lane[0]["n_live"]:
        slot = lane[0]["live"][k]
        k += 1
        if order[slot]["venue"] == v:
            index = order[slot]["strat"] * insts.shape[0] + order[slot]["inst"]
            order_state.finish(order, slot, positions, index, OrdStatus.EXPIRED)
            orders.drop_live(lane, insts, slot)
            k -= 1
    for index in range(positions.shape[0]):
        if insts[index % insts.shape[0]]["venue"] == v:
            positions[index]["position"] = 0
            positions[index]["cash"] = 0
            positions[index]["cash_high"] = 0
            positions[index]["cost"] = 0
            positions[index]["realised"] = 0
            positions[index]["realised_high"] = 0
            positions[index]["fees"] = 0
            positions[index]["bought"] = 0
            positions[index]["sold"] = 0
            positions[index]["fills"] = 0
    recount(lane, insts, products, positions, limits)
    for a in range(at.MAX_STRATEGIES + 1):
        risk.forget(lane, a)


@entry
def forget_losses(lane: np.ndarray, a: int) -> None:
    """Count an account's losses from now on."""
    risk.forget(lane, a)


@entry
def accept(
    lane: np.ndarray, work: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray, slot: int
) -> None:  # fmt: skip
    """End an order whose fate nobody told, because a person says so: it reserves nothing more. An execution of it would still count."""
    order = lane[0]["orders"]
    inst, strat = order[slot]["inst"], order[slot]["strat"]
    index = strat * insts.shape[0] + inst
    buy, sell = session.worst(positions, index)
    order_state.finish(order, slot, positions, index, OrdStatus.CANCELED)
    session.shift(lane, insts, products, positions, index, inst, buy, sell)
    orders.drop_live(lane, insts, slot)
    risk.mark(lane, insts, positions, limits, strat, inst)
    record.notify_order(lane, work, insts, products, order, slot, now(lane[0]["control"]))


@entry
def adjust(
    lane: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray, strat: int, inst: int, px: int, qty: int
) -> None:  # fmt: skip
    """Change a position by `qty` shares (negative: fewer) at `px`, because a person says so; it is no execution, and counts as none."""
    index = strat * insts.shape[0] + inst
    buy, sell = session.worst(positions, index)
    position.move(positions, index, i64(Side.BUY) if qty > 0 else i64(Side.SELL), px, abs(qty), i64(0))
    session.shift(lane, insts, products, positions, index, inst, buy, sell)
    risk.mark(lane, insts, positions, limits, strat, inst)


@entry
def price_of(insts: np.ndarray, positions: np.ndarray, index: int, inst: int) -> int:
    """Give the price that a position is valued at; 0 where nobody knows one."""
    return risk.mark_px(insts, positions, index, inst)


@entry
def journal_text(lane: np.ndarray, kind: int, venue: int, strat: int, inst: int, ref: int, text: np.ndarray) -> None:
    """Journal uint8[JOURNAL_DATA] of text at the present time."""
    record.journal(lane, kind, venue, strat, inst, now(lane[0]["control"]), ref, text, 0, at.JOURNAL_DATA)


@kernel
def flatten_one(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, strat: int, inst: int,
) -> int:  # fmt: skip
    """Send one immediate-or-cancel order against a position at the best opposite price: 1 sent, 0 nothing to do, -1 not possible."""
    held = positions[strat * insts.shape[0] + inst]["position"]
    if held == 0:
        return 0
    side = Side.SELL if held > 0 else Side.BUY
    book_side = 0 if held > 0 else 1
    n = insts[inst]["n"][book_side]
    if n == 0:
        return -1
    product = insts[inst]["product"]
    lot = max(insts[inst]["lot"], i64(1))
    intent = work[0]["intents"]
    intent[0]["kind"] = 1
    intent[0]["venue"] = insts[inst]["venue"]
    intent[0]["side"] = side
    intent[0]["time_in_force"] = TimeInForce.IOC
    intent[0]["flags"] = 0
    intent[0]["px"] = px[inst, book_side, n - 1] // max(products[product]["tick"], i64(1))
    intent[0]["qty"] = abs(held) // lot * lot
    if intent[0]["qty"] == 0:
        return -1
    slot = orders.new(lane, work, halt_symbol, insts, px, products, positions, limits, strat, product, 0, True)
    return 1 if slot >= 0 else -1


@entry
def flatten(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, venue: int, product: int, strat: int, result: np.ndarray,
) -> None:  # fmt: skip
    """Close the positions that match; result int64[2]: orders sent, positions that could not be closed."""
    for s in range(at.MAX_STRATEGIES):
        for inst in range(insts.shape[0]):
            if (venue < 0 or insts[inst]["venue"] == venue) and (product < 0 or insts[inst]["product"] == product) and (strat < 0 or s == strat):
                done = flatten_one(lane, work, halt_symbol, insts, px, products, positions, limits, s, inst)
                if done > 0:
                    result[0] += 1
                elif done < 0:
                    result[1] += 1


@entry
def all_stop(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, states: np.ndarray,
) -> None:  # fmt: skip
    """Tell every strategy that it ends."""
    for strat in range(lane[0]["control"][0]["n_strategies"]):
        if lane[0]["strategies"][strat]["address"] != 0 and lane[0]["strategies"][strat]["halted"] == 0:
            decide.all_products(
                lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, strat, EventKind.STOP, now(lane[0]["control"])
            )


def address_of(text: str) -> tuple[str, int]:
    """Split host:port."""
    host, _, port = text.rpartition(":")
    return host, int(port)


class Connections:
    """The order sessions' sockets: connects, logs in, tears down. Raises nothing for a venue that is away: it is tried again with back-off."""

    def __init__(self, spec: LaneSpec, shared: Shared, work: np.ndarray, log: Any) -> None:
        self._spec, self._shared, self._work, self._log = spec, shared, work, log
        self._sockets: dict[int, socket.socket] = {}
        self._guard = 0  # process that holds duplicates of them

    def connect(self, v: int) -> None:
        """Take the next step towards a session: open, wait for the open, log in."""
        row, at_ns = self._shared.venues[v], time.time_ns()
        if row["session_state"] == Session.DOWN:
            line = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            line.setblocking(False)
            options = sockets.order(line, self._spec.sockets.orders, self._spec.core)
            self._log.info("order socket", venue=self._spec.venues[v].name, options=options.now, refused=options.refused)
            sockets.tell(self._spec.options, f"{self._spec.venues[v].name} orders", options)
            self._sockets[v] = line
            code = line.connect_ex(address_of(self._spec.venues[v].ouch))
            row["session_state"], row["order_rx_ns"], row["order_tx_ns"] = Session.CONNECTING, at_ns, at_ns
        else:
            code = self._sockets[v].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or self._sockets[v].connect_ex(
                address_of(self._spec.venues[v].ouch)
            )
        if code in (0, errno.EISCONN):
            self._login(v)
        elif code in (errno.EINPROGRESS, errno.EALREADY):
            row["connect_at_ns"] = at_ns + CONNECT_RETRY_NS
        else:
            self.down(v, f"cannot connect: {errno.errorcode.get(code, code)}")

    def _login(self, v: int) -> None:
        """Ask for the journaled session at its next sequence number; a first login asks for the current one from message 1. Never "newest"."""
        row, venue = self._shared.venues[v], self._spec.venues[v]
        known = bool(row["have_order_session"])
        session = bytes(row["order_session"]).decode("ascii", "replace").strip() if known else ""
        seq = int(row["order_seq"]) if known else 1
        packet = soupbintcp.login_request(venue.user, venue.password, session, seq)
        row["rx_len"] = row["tx_len"] = row["tx_at"] = 0
        row["fd_order"], row["session_state"] = self._sockets[v].fileno(), Session.LOGIN_SENT
        try:
            sent = self._sockets[v].send(packet)
        except OSError as error:
            self.down(v, f"cannot log in: {error.strerror}")
            return
        if sent != len(packet):
            self.down(v, "cannot log in: the send buffer is full")
            return
        row["order_rx_bytes"], row["order_tx_bytes"] = 0, sent
        self._log.info("login", venue=venue.name, session=session, sequence=seq)
        hand.give(Path(self._spec.shared), v, self._sockets[v])

    def resume(self, v: int, line: socket.socket) -> bool:
        """Go on with a dead lane's connection where it left off; False, and the socket is closed, where it may not have left it whole.

        The lane counted the bytes that it took and gave, and the kernel does: where both agree, and the lane was at rest (prepare.at_rest),
        nothing was half done. What the venue knows is asked all the same, as after a login.
        """
        row = self._shared.venues[v]
        try:
            whole = sockets.taken_and_given(line) == (int(row["order_rx_bytes"]), int(row["order_tx_bytes"]))
        except OSError:
            whole = False
        if not whole:
            line.close()
            return False
        line.setblocking(False)
        self._sockets[v] = line
        row["fd_order"] = line.fileno()
        go_on(self._shared.lane, v)
        self._log.info("session goes on", venue=self._spec.venues[v].name, sequence=int(row["order_seq"]))
        return True

    def hand_over(self) -> None:
        """Hand every order socket to a guard that is new."""
        guard = int(self._shared.control[0]["guard_pid"])
        if guard not in (0, self._guard):
            for v, line in self._sockets.items():
                hand.give(Path(self._spec.shared), v, line)
        self._guard = guard

    def down(self, v: int, why: str) -> None:
        """Close a session and say when to try again."""
        row, shared = self._shared.venues[v], self._shared
        row["failures"] += 1
        wait = min(BACKOFF_NS << min(int(row["failures"]) - 1, 10), BACKOFF_MAX_NS)
        row["connect_at_ns"] = time.time_ns() + wait
        row["session_state"], row["fd_order"], row["rx_len"] = Session.DOWN, -1, 0
        self.close(v)
        journal_words(shared.lane, JournalKind.DOWN, v, -1, -1, int(row["order_seq"]), 0, 0, 0, 0)
        lost(shared.lane, self._work, shared.insts, shared.products, shared.positions, v)
        row["tx_len"] = row["tx_at"] = 0
        shared.control[0]["counters"][Counter.DISCONNECTS] += 1
        self._log.warning("session down", venue=self._spec.venues[v].name, why=why, next_try_ms=wait // 1_000_000)

    def refused(self, v: int) -> None:
        """Deal with a login that the venue, or we, did not accept."""
        row, name = self._shared.venues[v], self._spec.venues[v].name
        code = chr(int(row["reject_code"])) if row["reject_code"] else ""
        if not code:
            self.down(v, "the venue's session or sequence number is not the one we know")
        else:
            self.down(v, f"login rejected: {code}")
        if not code or row["failures"] >= REJECTS_MAX:
            self._shared.control[0]["halt_venue"][v] = Halt.RECONCILE
            row["session_state"] = Session.REFUSED
            self._log.error("session refused: reconcile --accept begins it anew", venue=name)

    def logout(self, v: int) -> None:
        """Say goodbye, so that the venue need not wait for our silence."""
        if v in self._sockets and self._shared.venues[v]["session_state"] >= Session.LOGIN_SENT:
            try:
                self._sockets[v].send(soupbintcp.LOGOUT)
            except OSError:
                self._log.info("logout not sent", venue=self._spec.venues[v].name)

    def close(self, v: int) -> None:
        """Close the socket."""
        if v in self._sockets:
            self._sockets.pop(v).close()


def scope_of(scope: int, index: int) -> tuple[int, int, int]:
    """Give (venue, product, strategy) for a command's scope, -1 for any."""
    return (
        index if scope == Scope.VENUE else -1,
        index if scope == Scope.SYMBOL else -1,
        index if scope == Scope.STRATEGY else -1,
    )


def halt_words(shared: Shared, scope: int, index: int) -> tuple[np.ndarray, Any]:
    """Give the halt words of a scope, as an array and what selects them in it."""
    control = shared.control[0]
    if scope == Scope.NODE:
        return shared.control["halt_node"], slice(None)
    if scope == Scope.VENUE:
        return control["halt_venue"], index
    if scope == Scope.SYMBOL:
        return shared.halt_symbol, shared.insts["product"] == index
    return control["halt_strategy"], index


def set_halt(shared: Shared, scope: int, index: int, value: int) -> int:
    """Raise or lower the halt words of a scope: 0, or Denial.KILLED for what only a release may lower.

    A resumed strategy starts afresh; losses are counted from there on.
    """
    words, which = halt_words(shared, scope, index)
    if np.any(words[which] == Halt.KILLED):
        return int(Denial.KILLED) if value == Halt.NONE else 0
    words[which] = value
    if value == Halt.NONE:
        afresh(shared, scope, index)
    return 0


def afresh(shared: Shared, scope: int, index: int) -> None:
    """Clear what a person's resuming clears."""
    if scope in {Scope.NODE, Scope.STRATEGY}:
        which = at.MAX_STRATEGIES if scope == Scope.NODE else index
        shared.accounts[which]["latched"] = 0
        forget_losses(shared.lane, which)
    if scope == Scope.STRATEGY:
        row = shared.strategies[index]
        row["n_executions"] = 0
        if row["halted"] != 0:
            row["halted"], row["over_budget"], row["fresh"] = 0, 0, 1


def release_kill(shared: Shared, scope: int, index: int) -> int:
    """Lower a kill: how many words there were."""
    words, which = halt_words(shared, scope, index)
    killed = int(np.count_nonzero(words[which] == Halt.KILLED))
    if killed:
        words[which] = Halt.NONE
        afresh(shared, scope, index)
    return killed


def extent(shared: Shared, scope: int) -> int:
    """Give how many there are of a scope; 0 of one that is not known."""
    control = shared.control[0]
    many = {Scope.NODE: 1, Scope.VENUE: control["n_venues"], Scope.SYMBOL: control["n_products"], Scope.STRATEGY: at.MAX_STRATEGIES}
    return int(many.get(scope, 0))  # type: ignore[call-overload]


def matching(shared: Shared, venue: int, product: int, strat: int) -> int:
    """Count the live orders that match (-1: any)."""
    live = shared.orders[shared.lane[0]["live"][: shared.lane[0]["n_live"]]]
    products = shared.insts["product"][live["inst"]]
    wanted = ((live["venue"] == venue) | (venue < 0)) & ((products == product) | (product < 0)) & ((live["strat"] == strat) | (strat < 0))
    return int(np.count_nonzero(wanted))


def flatten_scope(shared: Shared, work: np.ndarray, settle: Callable[[], None], venue: int, product: int, strat: int) -> np.ndarray:
    """Cancel what matches, wait a moment for the venues' word, and close the positions that are left: int64[2], orders sent and positions not closed.

    Strategies are not called meanwhile: they would quote again.
    """
    control, result = shared.control[0], np.zeros(2, np.int64)
    paused, control["paused"] = int(control["paused"]), 1
    cancel_matching(shared.lane, shared.insts, shared.limits, venue, product, strat)
    end = time.monotonic() + FLATTEN_S
    while matching(shared, venue, product, strat) and time.monotonic() < end:
        settle()
    flatten(
        shared.lane, work, shared.halt_symbol, shared.insts, shared.px, shared.products, shared.positions, shared.limits,
        venue, product, strat, result,
    )  # fmt: skip
    control["paused"] = paused
    return result


def doubtful(shared: Shared, cl_ord_id: int) -> int:
    """Give the slot of an order that a person may settle: it is Unknown, or at a venue that is halted until it is reconciled; -1 if there is none."""
    live = shared.lane[0]["live"][: shared.lane[0]["n_live"]]
    for slot in live[shared.orders["cl_ord_id"][live] == cl_ord_id]:
        row = shared.orders[slot]
        if row["ord_status"] == OrdStatus.UNKNOWN or shared.control[0]["halt_venue"][row["venue"]] == Halt.RECONCILE:
            return int(slot)
    return -1


def settle_order(shared: Shared, work: np.ndarray, slot: int) -> None:
    """Take a person's word that an order is over, and let its symbol trade again if it was the last one that nobody knew of."""
    accept(shared.lane, work, shared.insts, shared.products, shared.positions, shared.limits, slot)
    inst = shared.orders[slot]["inst"]
    rest = shared.orders[shared.lane[0]["live"][: shared.lane[0]["n_live"]]]
    if shared.halt_symbol[inst] == Halt.RECONCILE and not np.any((rest["inst"] == inst) & (rest["ord_status"] == OrdStatus.UNKNOWN)):
        shared.halt_symbol[inst] = Halt.NONE


def settle_venue(shared: Shared, v: int) -> None:
    """Take a person's word that a venue may trade again. A session that was refused is forgotten and begun anew, from its first message."""
    row = shared.venues[v]
    if row["session_state"] == Session.REFUSED:
        row["have_order_session"] = row["failures"] = row["connect_at_ns"] = 0
        row["session_state"] = Session.DOWN
    shared.control[0]["halt_venue"][v] = Halt.NONE


def journal_state(shared: Shared) -> None:
    """Journal what the lane holds."""
    for kind, venue, strat, inst, ref, data in checkpoint.records(shared):
        journal_text(shared.lane, kind, venue, strat, inst, ref, data)


def settle_symbol(shared: Shared, product: int) -> None:
    """Take a person's word that a symbol may trade again, but for instruments in which an order's fate is not known."""
    rest = shared.orders[shared.lane[0]["live"][: shared.lane[0]["n_live"]]]
    for k in np.flatnonzero(shared.insts["product"] == product):
        if shared.halt_symbol[k] == Halt.RECONCILE and not np.any((rest["inst"] == k) & (rest["ord_status"] == OrdStatus.UNKNOWN)):
            shared.halt_symbol[k] = Halt.NONE


def take_word(shared: Shared, work: np.ndarray, scope: int, index: int, ref: int, text: np.ndarray) -> int:
    """Settle an order (`ref`), a venue or a symbol by a person's word, which is journaled first: 1, or 0 when nothing about it was in doubt."""
    if scope == Scope.SYMBOL:
        inst = int(np.flatnonzero(shared.insts["product"] == index)[0])
        journal_text(shared.lane, JournalKind.ACCEPTED, -1, -1, inst, 0, text)
        settle_symbol(shared, index)
        return 1
    slot = doubtful(shared, ref) if ref else -1
    if slot < 0 and (ref or shared.control[0]["halt_venue"][index] != Halt.RECONCILE):
        return 0
    about = shared.orders[slot] if ref else {"venue": index, "strat": -1, "inst": -1}
    journal_text(shared.lane, JournalKind.ACCEPTED, int(about["venue"]), int(about["strat"]), int(about["inst"]), ref, text)
    if ref:
        settle_order(shared, work, slot)
    else:
        settle_venue(shared, index)
    return 1


def change_position(shared: Shared, strat: int, inst: int, qty: int, text: np.ndarray) -> int:
    """Change a position at the price that it is valued at, journaled first: 0, or Denial.BAD_PRICE where there is none.

    Of the text the first eight bytes are room for that price.
    """
    px = int(price_of(shared.insts, shared.positions, strat * len(shared.insts) + inst, inst))
    if px <= 0:
        return int(Denial.BAD_PRICE)
    text[:8] = np.frombuffer(px.to_bytes(8, "little"), np.uint8)
    journal_text(shared.lane, JournalKind.ADJUSTED, int(shared.insts[inst]["venue"]), strat, inst, qty, text)
    adjust(shared.lane, shared.insts, shared.products, shared.positions, shared.limits, strat, inst, px, qty)
    return 0


def fulfil(shared: Shared, log: Any) -> None:
    """Do what the policy wants when the daemon is lost: no order that does not reduce a position, or none at all; what is open is canceled."""
    control = shared.control[0]
    wish = Loss(int(control["wish"]))
    control["wish"] = Loss.TRADE_ON
    if wish == Loss.REDUCE_ONLY:
        control["reduce_only"] = 1
    elif control["halt_node"] == Halt.NONE:
        control["halt_node"] = Halt.DAEMON_LOST
    asked = cancel_matching(shared.lane, shared.insts, shared.limits, -1, -1, -1)
    journal_words(shared.lane, JournalKind.FAULT, -1, -1, -1, 0, Halt.DAEMON_LOST, wish, asked, 0)
    log.error("the daemon is lost", then=wish.name.lower(), canceled=asked)


def obey(
    shared: Shared, work: np.ndarray, load: Callable[[], None], reload: Callable[[], int], settle: Callable[[], None], log: Any
) -> None:  # fmt: skip
    """Carry out every command that waits, and answer it in place. `settle` lets the order sessions have their say for a moment."""
    control = shared.control[0]
    while control["command_tail"] < control["command_head"]:
        row = shared.commands[int(control["command_tail"]) % at.COMMAND_SLOTS]
        verb, scope, index = int(row["verb"]), int(row["scope"]), int(row["index"])
        venue, product, strat = scope_of(scope, index)
        row["status"] = row["acted"] = row["failed"] = 0
        if not 0 <= index < (len(shared.positions) if verb == Command.ADJUST else extent(shared, scope)):
            row["status"] = Denial.BAD_FIELD
        elif verb == Command.CANCEL_ALL:
            row["acted"] = cancel_matching(shared.lane, shared.insts, shared.limits, venue, product, strat)
        elif verb == Command.FLATTEN:
            row["acted"], row["failed"] = flatten_scope(shared, work, settle, venue, product, strat)
        elif verb in (Command.HALT, Command.RESUME):
            row["status"] = set_halt(shared, scope, index, Halt.OPERATOR if verb == Command.HALT else Halt.NONE)
            row["acted"] = int(row["status"] == 0)
        elif verb == Command.KILL:
            words, which = halt_words(shared, scope, index)
            words[which] = Halt.KILLED
            row["acted"] = cancel_matching(shared.lane, shared.insts, shared.limits, venue, product, strat)
        elif verb == Command.RELEASE:
            row["acted"] = release_kill(shared, scope, index)
        elif verb in (Command.RELOAD, Command.PARAMS, Command.ARM):
            row["status"] = reload()
            row["acted"] = 1 - int(row["status"])
        elif verb == Command.LOAD:
            load()
            row["acted"] = 1
        elif verb == Command.ACCEPT:
            row["acted"] = take_word(shared, work, scope, index, int(row["ref"]), row["text"].copy())
        elif verb == Command.TELL:
            journal_text(shared.lane, JournalKind.TOLD, venue, strat, -1, int(row["seq"]), row["text"].copy())
            row["acted"] = 1
        elif verb == Command.ADJUST:
            row["status"] = change_position(shared, *divmod(index, len(shared.insts)), int(row["ref"]), row["text"].copy())
            row["acted"] = int(row["status"] == 0)
        elif verb == Command.SEAL:
            journal_state(shared)
            journal_text(shared.lane, JournalKind.SEALED, -1, -1, -1, int(row["ref"]), row["text"].copy())
            row["acted"] = 1
        elif verb == Command.HAND:
            row["acted"] = 1  # the loop has returned, and that was all: noderrd.lane.process
        elif verb in (Command.PAUSE, Command.CONTINUE):
            control["paused"] = 1 if verb == Command.PAUSE else 0
            row["acted"] = 1
        else:
            row["status"] = Denial.BAD_FIELD
        kind = KINDS.get(verb, JournalKind.COMMAND) if row["status"] == 0 else JournalKind.COMMAND
        journal_words(shared.lane, kind, venue, strat, -1, int(row["seq"]), verb, scope, index, int(row["status"]))
        log.info("command", verb=verb, scope=scope, index=index, acted=int(row["acted"]), failed=int(row["failed"]))
        row["done"] = row["seq"]
        control["command_tail"] += 1


__all__ = ["Connections", "VenueSpec", "address_of", "cancel_matching", "flatten", "obey", "recover"]
