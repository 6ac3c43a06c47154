from aiohttp import web

from simplevoice.server import keys


def test_every_key_has_a_name_and_type_of_its_own() -> None:
    found = [value for value in vars(keys).values() if isinstance(value, web.AppKey)]
    assert found
    assert len({str(key) for key in found}) == len(found)
