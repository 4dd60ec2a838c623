"""What the pages read from an address is harmless to a database."""

from django.test import RequestFactory

from feedback.parameters import plain_text, whole, whole_number, whole_numbers


def test_a_text_has_no_nul_and_no_space_around_it():
    request = RequestFactory().get("/?q=%20late%00%20&tag=%00")
    assert [plain_text(request, name) for name in ("q", "tag", "outcome")] == ["late", "", ""]


def test_a_number_is_one_that_a_key_can_be():
    request = RequestFactory().get("/?a=12&b=-1&c=1e9&d=99999999999999999999&e=%C2%B2&f=%00")
    assert [whole_number(request, name) for name in "abcdefg"] == [12, None, None, None, None, None, None]


def test_of_several_numbers_those_that_are_none_are_left_out():
    request = RequestFactory().get("/?a=12&a=&a=%C2%B2&a=-1&a=99999999999999999999&a=0&b=3")
    assert whole_numbers(request.GET, "a") == [12, 0]
    assert (whole("7"), whole("9" * 5000)) == (7, None)
