"""The laws of lazy sequences."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.mapping.authoring.product import Product
from orchestrator.mapping.authoring.sequences import Items
from orchestrator.mapping.execution.invoke import settle
from tests.support.sequences import add_one, sequences, short_lists

# -- sequences -----------------------------------------------------------------------------------


class TestSequences:
    @given(sequences())
    def test_length_index_and_iteration_agree_with_the_list(self, pair):
        sequence, known = pair
        assert len(sequence) == len(known)
        assert [settle(item) for item in sequence] == known
        assert [settle(sequence[index]) for index in range(len(known))] == known
        with pytest.raises(IndexError):
            sequence[len(known)]

    @given(st.tuples(sequences(), sequences(), sequences()))
    def test_a_product_is_that_of_itertools(self, pairs):
        names = "abc"
        product = Product({n: sequence for n, (sequence, _) in zip(names, pairs, strict=True)})
        rows = list(itertools.product(*(known for _, known in pairs)))
        assert len(product) == len(rows)
        items = [tuple(settle(value) for value in item.values()) for item in product]
        assert items == rows
        columns = product.columns(range(len(rows)))
        assert list(columns) == list(names)
        settled = [[settle(value) for value in column] for column in columns.values()]
        assert list(zip(*settled, strict=True)) == rows

    @given(sequences(), sequences(), sequences())
    def test_concatenation_does_not_care_for_brackets(self, one, two, three):
        left = one[0].concat(two[0]).concat(three[0])
        right = one[0].concat(two[0].concat(three[0]))
        flat = one[0].concat(two[0], three[0])
        as_lists = [[settle(item) for item in each] for each in (left, right, flat)]
        assert as_lists[0] == as_lists[1] == as_lists[2]

    @given(sequences())
    def test_maps_compose(self, pair):
        sequence, known = pair
        twice = sequence.map(add_one).map(add_one)
        assert [settle(item) for item in twice] == [add_one(add_one(item)) for item in known]

    @given(short_lists, short_lists)
    def test_a_length_asks_for_no_item(self, one, other):
        class Unseen(Items):
            def __getitem__(self, index):
                raise AssertionError("an item was looked at")

        first, second = Unseen(one), Unseen(other)
        assert len(first.map(add_one)) == len(one)
        assert len(first.concat(second)) == len(one) + len(other)
        assert len(first.zip(second)) == min(len(one), len(other))
        assert len(Product({"x": first, "y": second})) == len(one) * len(other)

    @given(sequences())
    def test_what_claims_no_names_has_none(self, pair):
        sequence, known = pair
        if not sequence.named:
            assert [sequence.name(index) for index in range(len(known))] == [None] * len(known)
