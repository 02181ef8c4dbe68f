"""``references_many``, in Python."""

from __future__ import annotations

from typing import Any

import pytest

from flask_loop import (
    DataSource,
    Model,
    ModelNotFound,
    Prop,
    ReferencesMany,
    ValidationError,
    memory,
    prop,
)


class Playlist(Model):
    name: Prop[str | None]
    tracks: ReferencesMany[PlaylistTrack]


class PlaylistTrack(Model):
    name: Prop[str] = prop(required=True)


@pytest.fixture
def playlist(source: DataSource) -> Any:
    for model in (Playlist, PlaylistTrack):
        model.attach_to(source)
    source.auto_update()
    PlaylistTrack.create(name="alone")
    return Playlist.create(name="p")


def names(records: list[PlaylistTrack]) -> list[str]:
    return [each.name for each in records]


def test_create_puts_the_key_on_the_list(playlist: Any) -> None:
    track = playlist.tracks.create(name="one")
    assert playlist.track_ids == [track.id]
    assert playlist.reload().track_ids == [track.id]
    assert names(playlist.tracks()) == ["one"]
    playlist.tracks.create([{"name": "two"}, {"name": "three"}])
    assert names(playlist.tracks()) == ["one", "two", "three"]


def test_create_stores_nothing_where_a_record_is_not_valid(playlist: Any) -> None:
    with pytest.raises(ValidationError):
        playlist.tracks.create([{"name": "one"}, {"name": ""}])
    assert PlaylistTrack.count() == 1
    assert playlist.reload().track_ids == []


def test_create_stores_nothing_where_the_list_cannot_be(playlist: Any) -> None:
    Playlist.destroy_all()
    with pytest.raises(ModelNotFound):
        playlist.tracks.create(name="one")
    assert PlaylistTrack.count() == 1


def test_the_records_come_in_the_order_of_the_list_unless_one_is_asked_for(playlist: Any) -> None:
    made = PlaylistTrack.create([{"name": "a"}, {"name": "b"}, {"name": "c"}])
    a, b, c = (each.id for each in made)
    playlist.patch_attributes(track_ids=[c, a, 999, b, c])
    assert names(playlist.tracks()) == ["c", "a", "b"]
    assert names(playlist.tracks(limit=2)) == ["c", "a"]
    assert names(playlist.tracks(skip=1, limit=1)) == ["a"]
    assert names(playlist.tracks(where={"name": {"neq": "a"}})) == ["c", "b"]
    assert names(playlist.tracks(order="id")) == ["a", "b", "c"]
    assert names(playlist.tracks(order="name DESC", limit=2)) == ["c", "b"]
    first, *_ = playlist.tracks(fields=["name"])
    assert first.to_record() == {"name": "c"}
    assert playlist.tracks.find_one().name == "c"
    assert playlist.tracks.count() == 3


def test_reads_see_records_on_the_list_alone(playlist: Any) -> None:
    track = playlist.tracks.create(name="one")
    alone = PlaylistTrack.find_one({"name": "alone"})
    assert playlist.tracks.find_by_id(track.id).name == "one"
    assert playlist.tracks.find_by_id(alone.id) is None
    assert track in playlist.tracks
    assert alone not in playlist.tracks
    assert Playlist().tracks() == []
    assert playlist.tracks.count({"name": "alone"}) == 0


def test_add_and_remove_change_the_list(playlist: Any) -> None:
    alone: Any = PlaylistTrack.find_one({"name": "alone"})
    assert playlist.tracks.add(alone.id).name == "alone"
    assert playlist.tracks.add(alone).name == "alone"
    assert playlist.reload().track_ids == [alone.id]
    assert playlist.tracks.remove(alone) == 1
    assert playlist.tracks.remove(alone.id) == 0
    assert playlist.reload().track_ids == []
    assert PlaylistTrack.count() == 1


def test_add_needs_a_record_that_is_there(playlist: Any) -> None:
    for id in (999, "no id"):
        with pytest.raises(ModelNotFound, match='Unknown "PlaylistTrack" id'):
            playlist.tracks.add(id)
    with pytest.raises(TypeError, match="save the PlaylistTrack first"):
        playlist.tracks.add(PlaylistTrack(name="new"))
    with pytest.raises(TypeError, match="no row links both"):
        playlist.tracks.add(1, name="x")
    assert playlist.reload().track_ids == []


def test_remove_takes_the_key_of_a_record_that_is_gone_off_the_list(playlist: Any) -> None:
    playlist.patch_attributes(track_ids=[999, 999])
    assert playlist.tracks.remove(999) == 1
    assert playlist.track_ids == []


def test_destroy_deletes_the_record_and_takes_its_key_off_the_list(playlist: Any) -> None:
    first, second = playlist.tracks.create([{"name": "one"}, {"name": "two"}])
    playlist.tracks.destroy(first.id)
    assert playlist.reload().track_ids == [second.id]
    assert PlaylistTrack.find_by_id(first.id) is None
    alone: Any = PlaylistTrack.find_one({"name": "alone"})
    with pytest.raises(ModelNotFound):
        playlist.tracks.destroy(alone.id)


def test_destroy_all_takes_keys_off_the_list_and_deletes_no_record(playlist: Any) -> None:
    playlist.tracks.create([{"name": "one"}, {"name": "two"}, {"name": "three"}])
    assert playlist.tracks.destroy_all(PlaylistTrack.name == "two") == 1
    assert names(playlist.tracks()) == ["one", "three"]
    assert playlist.tracks.destroy_all() == 2
    assert playlist.reload().track_ids == []
    assert PlaylistTrack.count() == 4


def test_update_changes_a_record_on_the_list_alone(playlist: Any) -> None:
    track = playlist.tracks.create(name="one")
    assert playlist.tracks.update(track.id, name="new").name == "new"
    alone: Any = PlaylistTrack.find_one({"name": "alone"})
    with pytest.raises(ModelNotFound):
        playlist.tracks.update(alone.id, name="x")


def test_a_write_starts_from_the_list_that_is_stored(playlist: Any) -> None:
    stale: Any = Playlist.find_by_id(playlist.id)
    playlist.tracks.create(name="one")
    stale.tracks.create(name="two")
    assert names(stale.tracks()) == ["one", "two"]


def test_an_unsaved_owner_is_saved_first(playlist: Any) -> None:
    for write in (
        lambda: Playlist().tracks.create(name="x"),
        lambda: Playlist().tracks.add(1),
        lambda: Playlist().tracks.remove(1),
    ):
        with pytest.raises(TypeError, match="save the Playlist first"):
            write()


def test_writes_forget_what_was_included(playlist: Any) -> None:
    for write in (lambda: playlist.tracks.create(name="one"), playlist.tracks.destroy_all):
        playlist.__dict__["_related"] = {"tracks": ["stale"]}
        write()
        assert "stale" not in playlist.tracks()


def test_the_models_may_be_on_different_data_sources() -> None:
    Album = memory().create_model("picAlbum", {"name": str})
    Pic = memory().create_model("picItem", {"name": {"type": str, "required": True}})
    Album.references_many("pics", model=Pic)
    album = Album.create(name="a")
    album.pics.create(name="one")
    assert [each.name for each in album.reload().pics()] == ["one"]
    Album.validates_length_of("pic_ids", max=1)
    with pytest.raises(ValidationError):
        album.pics.create(name="two")
    assert Pic.count() == 1
