import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgekit.card import Pick
from edgekit.errors import RecipeError
from edgekit.samples.picks import allot, allot_one, draw, within_share

Share = tuple[float, float] | None


def pick(**words: object) -> Pick:
    return Pick.model_validate(words)


def test_without_a_seed_the_first_ones_are_taken() -> None:
    assert draw([3, 5, 7, 9], 2, None) == [3, 5]


def test_a_seeded_draw_is_the_same_for_ever() -> None:
    # golden: a change here changes every calibration that users have reported numbers for
    assert draw(range(100), 8, 0) == [15, 36, 44, 46, 74, 76, 87, 99]
    assert draw(range(100), 8, 1) != draw(range(100), 8, 0)


@given(st.integers(1, 200), st.integers(0, 5), st.data())
def test_a_draw_is_without_replacement_and_larger_draws_contain_smaller(
    size: int, seed: int, data: st.DataObject
) -> None:
    small, large = sorted(data.draw(st.lists(st.integers(0, size), min_size=2, max_size=2)))
    few, many = draw(range(size), small, seed), draw(range(size), large, seed)
    assert len(set(few)) == small
    assert set(few) <= set(many) <= set(range(size))
    assert few == sorted(few)


@given(st.integers(1, 300), st.floats(0.01, 0.99))
def test_shares_that_meet_split_the_pool(count: int, bound: float) -> None:
    first = within_share(count, pick(share=(0.0, bound)), None)
    rest = within_share(count, pick(share=(bound, 1.0)), None)
    assert first + rest == list(range(count))


def test_shares_of_units_keep_each_unit_whole() -> None:
    units = ["ann", "bob", "ann", "cid", "bob", "dan"]
    assert within_share(6, pick(share=(0.0, 0.5)), units) == [0, 1, 2, 4]
    assert within_share(6, pick(share=(0.5, 1.0)), units) == [3, 5]


def test_a_third_is_a_third() -> None:
    assert len(within_share(300, pick(share=(0.0, 1 / 3)), None)) == 100
    assert len(within_share(300, pick(share=(0.0, 0.1 + 0.2)), None)) == 90


def test_the_evaluation_is_drawn_first_where_it_says_how_many() -> None:
    seen, judged = allot(20, pick(count=5, seed=0), pick(count=10, seed=0))
    again, same = allot(20, pick(count=3, seed=7), pick(count=10, seed=0))
    assert judged == same
    assert set(seen).isdisjoint(judged)
    assert (len(seen), len(again)) == (5, 3)


def test_the_evaluation_gets_the_rest_where_it_does_not() -> None:
    seen, judged = allot(20, pick(count=5, seed=0), pick())
    assert sorted(seen + judged) == list(range(20))
    assert len(seen) == 5


def test_without_any_count_a_third_calibrates_up_to_512() -> None:
    for count, expected in ((30, 10), (3, 1), (2, 1), (6000, 512)):
        seen, judged = allot(count, pick(), pick())
        assert len(seen) == expected
        assert len(judged) == count - expected


def test_shares_that_do_not_meet_are_each_drawn_whole() -> None:
    seen, judged = allot(30, pick(share=(0.0, 1 / 3)), pick(share=(1 / 3, 1.0)))
    assert seen == list(range(10))
    assert judged == list(range(10, 30))


def test_a_pool_of_ones_own_is_used_up_to_the_default() -> None:
    assert allot_one(1000, pick(), "calibration", default=512) == list(range(512))
    assert allot_one(100, pick(), "calibration", default=512) == list(range(100))
    assert allot_one(1000, pick(), "evaluation") == list(range(1000))
    assert allot_one(1000, pick(count=600), "calibration", default=512) == list(range(600))


@given(
    st.integers(2, 60),
    st.tuples(st.none() | st.integers(1, 40), st.none() | st.integers(1, 40)),
    st.none() | st.integers(0, 3),
    st.tuples(st.sampled_from([None, (0.0, 0.5), (0.25, 1.0)]), st.sampled_from([None, (0.5, 1.0), (0.0, 0.75)])),
)
def test_two_picks_of_one_pool_never_overlap(
    count: int, counts: tuple[int | None, int | None], seed: int | None, shares: tuple[Share, Share]
) -> None:
    few, many = counts
    calibration, evaluation = (
        pick(count=number, seed=seed, share=share) for number, share in zip(counts, shares, strict=True)
    )
    try:
        seen, judged = allot(count, calibration, evaluation)
    except RecipeError:
        assume(few is None or many is None or few + many > count // 4)  # refusals come from asking for too much
        return
    assert seen
    assert judged
    assert set(seen).isdisjoint(judged)
    assert few is None or len(seen) == few
    assert many is None or len(judged) == many


@pytest.mark.parametrize(
    ("calibration", "evaluation", "message"),
    [
        (pick(count=5), pick(count=20), "calibration: no sample is left for it"),
        (pick(count=6), pick(count=15), r"calibration\.count: 6 samples asked for, 5 are there for it"),
        (pick(count=20), pick(), "evaluation: no sample is left for it"),
        (pick(), pick(count=21), r"evaluation\.count: 21 samples asked for, 20 are there for it"),
        (pick(share=(0.0, 0.01)), pick(share=(0.5, 1.0)), "calibration: no sample is left for it"),
    ],
)
def test_asking_for_what_is_not_there_is_refused(calibration: Pick, evaluation: Pick, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        allot(20, calibration, evaluation)
    assert "lower the counts" in caught.value.hint
