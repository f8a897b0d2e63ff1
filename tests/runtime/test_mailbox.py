import gevent
import pytest
from gevent.event import Event

from runtime.mailbox import Closed, Mailbox, Mailboxes

PATIENCE = 60.0


def test_answers_come_in_the_order_they_were_put_before_the_wait_and_during_it() -> None:
    mailbox = Mailbox()
    mailbox.put(1)
    mailbox.put(2)
    reader = gevent.spawn(lambda: [mailbox.take(PATIENCE) for _ in range(4)])
    gevent.sleep(0)
    mailbox.put(3)
    gevent.sleep(0)
    mailbox.put(4)
    assert reader.get(timeout=PATIENCE) == [1, 2, 3, 4]


def test_a_wait_without_an_answer_ends_after_its_time_counted_from_the_last_answer() -> None:
    mailbox = Mailbox()
    reader = gevent.spawn(lambda: [mailbox.take(0.2), mailbox.take(0.2), mailbox.take(0.2)])
    for _ in range(2):
        gevent.sleep(0.15)
        mailbox.put("late, but in time")
    reader.join(PATIENCE)
    assert isinstance(reader.exception, TimeoutError)


def test_a_reader_that_is_ended_while_it_waits_is_not_woken_elsewhere() -> None:
    mailbox = Mailbox()
    elsewhere = Event()

    def read() -> str:
        try:
            mailbox.take(PATIENCE)
        finally:
            elsewhere.wait(PATIENCE)
        return "went on"

    reader = gevent.spawn(read)
    gevent.sleep(0)
    reader.kill(block=False)
    mailbox.put("too late")
    gevent.sleep(0.02)
    assert not reader.ready()
    elsewhere.set()
    reader.join(PATIENCE)
    assert reader.ready()


def test_a_closed_mailbox_gives_what_it_has_and_then_says_that_it_is_closed() -> None:
    mailbox = Mailbox()
    mailbox.put(1)
    mailbox.close()
    assert mailbox.take(PATIENCE) == 1
    with pytest.raises(Closed):
        mailbox.take(PATIENCE)


def test_closing_wakes_who_waits() -> None:
    mailbox = Mailbox()
    reader = gevent.spawn(mailbox.take, PATIENCE)
    gevent.sleep(0)
    mailbox.close()
    reader.join(PATIENCE)
    assert isinstance(reader.exception, Closed)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"backwards_request_id": "another"}, id="of another call"),
        pytest.param({"backwards_request_id": ["one"]}, id="whose id is no text"),
        pytest.param({}, id="without an id"),
        pytest.param("one", id="that is no object"),
        pytest.param(None, id="that is nothing"),
    ],
)
def test_an_answer_that_nobody_waits_for_is_not_delivered(answer: object) -> None:
    mailboxes = Mailboxes()
    mailboxes.open("one")
    assert not mailboxes.deliver(answer)


def test_a_call_that_is_over_leaves_nothing_behind() -> None:
    mailboxes = Mailboxes()
    mailboxes.open("one")
    assert mailboxes.deliver({"backwards_request_id": "one"})
    mailboxes.discard("one")
    mailboxes.discard("one")
    assert not mailboxes.deliver({"backwards_request_id": "one"})
    assert len(mailboxes) == 0
