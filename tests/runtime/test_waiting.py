import gevent

from runtime.waiting import Waiting

PATIENCE = 60.0


def _wait(waiting: Waiting, *seconds: float) -> "gevent.Greenlet[[], None]":
    """A greenlet that waits so long, once for each."""

    def run() -> None:
        for each in seconds:
            waiting.wait(each)

    greenlet = gevent.spawn(run)
    gevent.sleep(0)
    return greenlet


def test_news_end_a_wait_and_only_the_one_that_is_under_way() -> None:
    waiting = Waiting()
    waiting.wake()  # nobody waits
    greenlet = _wait(waiting, PATIENCE, PATIENCE)
    waiting.wake()
    gevent.sleep(0.02)
    assert not greenlet.ready()
    waiting.wake()
    greenlet.join(PATIENCE)
    assert greenlet.ready()


def test_a_shorter_wait_ends_in_time_behind_a_longer_one() -> None:
    waiting = Waiting()
    greenlet = _wait(waiting, PATIENCE, 0.01)
    waiting.wake()
    greenlet.join(PATIENCE / 2)
    assert greenlet.ready()


def test_a_longer_wait_is_not_ended_by_the_timer_of_a_shorter_one() -> None:
    waiting = Waiting()
    greenlet = _wait(waiting, 0.05, PATIENCE)
    waiting.wake()
    gevent.sleep(0.15)
    assert not greenlet.ready()
    waiting.wake()


def test_no_time_is_no_wait() -> None:
    Waiting().wait(0)
    Waiting().wait(-1)


def test_closing_ends_the_wait() -> None:
    waiting = Waiting()
    greenlet = _wait(waiting, PATIENCE)
    waiting.close()
    greenlet.join(PATIENCE / 2)
    assert greenlet.ready()
