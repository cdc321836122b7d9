"""What is remembered: what is asked for again, and no more than there is room for."""

from collections.abc import Sequence

from drivers.recall import Recall

ROOM = 100


def offered(recall: Recall[str, int], keys: Sequence[str]) -> int:
    """Offer each key once; tell how many are kept."""
    for number, key in enumerate(keys):
        recall.offer(key, number)
    return len(recall)


def names(count: int, first: str = "") -> list[str]:
    return [f"{first}{number}" for number in range(count)]


def test_a_value_is_kept_from_the_second_time_on_and_replaced() -> None:
    recall: Recall[str, int] = Recall(ROOM)
    for number, expected in enumerate((None, 1, 2)):
        recall.offer("a", number)
        assert recall.get("a") == expected


def test_a_walk_through_more_than_there_is_room_for_drives_nothing_out() -> None:
    recall: Recall[str, int] = Recall(ROOM)
    for _ in range(2):
        recall.offer("often", 1)
    assert offered(recall, names(100 * ROOM)) == 1
    assert recall.get("often") == 1


def test_the_oldest_keys_make_room() -> None:
    recall: Recall[str, int] = Recall(ROOM)
    keys = names(2 * ROOM)
    for key in keys:
        for _ in range(2):
            recall.offer(key, 1)
    assert [key for key in keys if recall.get(key)] == keys[ROOM:]


def test_most_of_what_fits_is_kept_before_long() -> None:
    recall: Recall[str, int] = Recall(ROOM)
    kept = [offered(recall, names(ROOM)) for _ in range(5)]
    assert kept[0] == 0
    assert kept[-1] > ROOM / 2
