"""``has_many`` through a model, and ``has_and_belongs_to_many``, in Python."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flask_loop import DataSource, ModelNotFound, ValidationError, memory
from flask_loop.errors import BadRequest


@pytest.fixture(params=["one source", "several sources"])
def clinic(request: pytest.FixtureRequest, source: DataSource) -> Any:
    """Physicians and their patients, linked by visits."""
    other = memory() if request.param == "several sources" else source
    Physician = source.create_model("clinicPhysician", {"name": str})
    Patient = other.create_model("clinicPatient", {"name": {"type": str, "required": True}})
    Visit = source.create_model("clinicVisit", {"reason": str})
    Visit.belongs_to("physician", model=Physician)
    Visit.belongs_to("patient", model=Patient)
    Physician.has_many("patients", model=Patient, through=Visit)
    Physician.has_many(
        "as_", model=Patient, through=Visit, scope={"where": {"name": {"like": "a%"}}}
    )
    Patient.has_many("physicians", model=Physician, through=Visit)
    for each in {source, other}:
        each.auto_update()
    made = SimpleNamespace(Physician=Physician, Patient=Patient, Visit=Visit)
    made.other = Physician.create(name="other")
    made.other.patients.create(name="theirs")
    made.physician = Physician.create(name="mine")
    return made


def names(records: Any) -> list[str]:
    return [each.name for each in records]


def test_create_stores_the_record_and_the_row_that_links_it(clinic: Any) -> None:
    patient = clinic.physician.patients.create(name="new")
    (visit,) = clinic.Visit.find(where={"physician_id": clinic.physician.id})
    assert visit.patient_id == patient.id
    assert names(clinic.physician.patients()) == ["new"]
    assert names(patient.physicians()) == ["mine"]


def test_create_of_several_links_each(clinic: Any) -> None:
    created = clinic.physician.patients.create([{"name": "a"}, {"name": "b"}])
    assert names(created) == ["a", "b"]
    assert names(clinic.physician.patients(order="name DESC")) == ["b", "a"]
    assert clinic.physician.patients.create([]) == []


def test_create_stores_nothing_where_the_row_cannot_be(clinic: Any) -> None:
    clinic.Visit.validates_absence_of("patient_id")
    before = clinic.Patient.count()
    with pytest.raises(ValidationError):
        clinic.physician.patients.create(name="new")
    assert clinic.Patient.count() == before


def test_create_stores_no_row_where_the_record_is_not_valid(clinic: Any) -> None:
    with pytest.raises(ValidationError):
        clinic.physician.patients.create(name="")
    assert clinic.Visit.count() == 1


def test_a_record_that_is_linked_twice_comes_once(clinic: Any) -> None:
    patient = clinic.physician.patients.create(name="new")
    clinic.Visit.create(physician=clinic.physician, patient=patient)
    assert names(clinic.physician.patients()) == ["new"]
    assert clinic.physician.patients.count() == 1


def test_reads_take_filters_and_see_linked_records_alone(clinic: Any) -> None:
    clinic.physician.patients.create([{"name": "a"}, {"name": "b"}, {"name": "c"}])
    patients = clinic.physician.patients
    assert names(patients(where={"name": {"gt": "a"}}, order="name DESC", limit=1)) == ["c"]
    assert patients.count({"name": {"inq": ["a", "theirs"]}}) == 1
    theirs = clinic.other.patients.find_one()
    assert patients.find_by_id(theirs.id) is None
    assert not patients.exists(theirs)
    mine = patients.find_one({"name": "b"})
    assert patients.find_by_id(mine.id).name == "b"
    assert mine in patients


def test_add_links_a_record_that_is_there(clinic: Any) -> None:
    theirs = clinic.other.patients.find_one()
    row = clinic.physician.patients.add(theirs.id, reason="flu")
    assert type(row) is clinic.Visit
    assert (row.reason, row.patient_id) == ("flu", theirs.id)
    assert names(clinic.physician.patients()) == ["theirs"]
    assert names(clinic.other.patients()) == ["theirs"]


def test_add_leaves_a_link_that_is_there_as_it_is(clinic: Any) -> None:
    theirs = clinic.other.patients.find_one()
    first = clinic.physician.patients.add(theirs, {"reason": "flu"})
    again = clinic.physician.patients.add(theirs, {"reason": "cold"})
    assert (again.id, again.reason) == (first.id, "flu")
    assert clinic.Visit.count() == 2


def test_add_sets_both_keys_whatever_is_given(clinic: Any) -> None:
    theirs = clinic.other.patients.find_one()
    row = clinic.physician.patients.add(theirs, physicianId=clinic.other.id, patient_id=99)
    assert (row.physician_id, row.patient_id) == (clinic.physician.id, theirs.id)


def test_add_needs_a_record_that_is_there(clinic: Any) -> None:
    for id in (999, "no id"):
        with pytest.raises(ModelNotFound, match='Unknown "clinicPatient" id'):
            clinic.physician.patients.add(id)
    assert clinic.Visit.count() == 1


def test_remove_unlinks_and_deletes_nothing_else(clinic: Any) -> None:
    theirs = clinic.other.patients.find_one()
    clinic.physician.patients.add(theirs)
    assert clinic.physician.patients.remove(theirs) == 1
    assert clinic.physician.patients.remove(theirs.id) == 0
    assert clinic.physician.patients.remove("no id") == 0
    assert names(clinic.other.patients()) == ["theirs"]


def test_remove_unlinks_a_record_that_is_gone(clinic: Any) -> None:
    patient = clinic.physician.patients.create(name="new")
    clinic.Patient.destroy_by_id(patient.id)
    assert clinic.physician.patients.remove(patient.id) == 1
    assert clinic.Visit.count() == 1


def test_destroy_deletes_the_record_and_its_link(clinic: Any) -> None:
    patient = clinic.physician.patients.create(name="new")
    clinic.physician.patients.destroy(patient.id)
    assert clinic.Patient.find_by_id(patient.id) is None
    assert clinic.Visit.count() == 1
    theirs = clinic.other.patients.find_one()
    with pytest.raises(ModelNotFound):
        clinic.physician.patients.destroy(theirs.id)
    assert clinic.Patient.count() == 1


def test_destroy_all_deletes_the_links_alone(clinic: Any) -> None:
    clinic.physician.patients.create([{"name": "a"}, {"name": "b"}, {"name": "c"}])
    assert clinic.physician.patients.destroy_all({"name": "b"}) == 1
    assert names(clinic.physician.patients()) == ["a", "c"]
    assert clinic.physician.patients.destroy_all() == 2
    assert clinic.Patient.count() == 4
    assert names(clinic.other.patients()) == ["theirs"]


def test_destroy_all_unlinks_what_the_scope_has_alone(clinic: Any) -> None:
    clinic.physician.patients.create([{"name": "ann"}, {"name": "bob"}])
    assert names(clinic.physician.as_()) == ["ann"]
    assert clinic.physician.as_.destroy_all() == 1
    assert names(clinic.physician.patients()) == ["bob"]


def test_update_changes_a_linked_record_alone(clinic: Any) -> None:
    patient = clinic.physician.patients.create(name="new")
    assert clinic.physician.patients.update(patient.id, name="renamed").name == "renamed"
    theirs = clinic.other.patients.find_one()
    with pytest.raises(ModelNotFound):
        clinic.physician.patients.update(theirs.id, name="x")
    with pytest.raises(BadRequest):
        clinic.physician.patients.update(patient.id, id=99)


def test_build_makes_a_record_to_be_added_later(clinic: Any) -> None:
    built = clinic.physician.patients.build(name="later")
    with pytest.raises(TypeError, match="save the clinicPatient first"):
        clinic.physician.patients.add(built)
    clinic.physician.patients.add(built.save())
    assert names(clinic.physician.patients()) == ["later"]


def test_an_unsaved_owner_links_nothing(clinic: Any) -> None:
    new = clinic.Physician(name="new")
    theirs = clinic.other.patients.find_one()
    with pytest.raises(TypeError, match="save the clinicPhysician first"):
        new.patients.add(theirs)
    with pytest.raises(TypeError, match="save the clinicPhysician first"):
        new.patients.create(name="x")
    assert new.patients() == []
    assert new.patients.count() == 0
    assert clinic.Patient.count() == 1


def test_writes_forget_what_was_included(clinic: Any) -> None:
    theirs = clinic.other.patients.find_one()
    for write in ("add", "remove"):
        clinic.physician.__dict__["_related"] = {"patients": ["stale"]}
        getattr(clinic.physician.patients, write)(theirs)
        assert "stale" not in clinic.physician.patients()


def test_rows_of_links_are_told_to_their_observers(clinic: Any) -> None:
    seen = []
    clinic.Visit.observe("before save")(lambda ctx: seen.append(ctx.instance.physician_id))
    clinic.Visit.observe("before delete")(lambda ctx: seen.append("deleted"))
    patient = clinic.physician.patients.create(name="new")
    clinic.physician.patients.remove(patient)
    assert seen == [clinic.physician.id, "deleted"]


def test_both_sides_of_has_and_belongs_to_many_have_the_links(source: DataSource) -> None:
    Assembly = source.create_model("bikeAssembly", {"name": str})
    Part = source.create_model("bikePart", {"name": str})
    Assembly.has_and_belongs_to_many("parts", model=Part)
    Part.has_and_belongs_to_many("assemblies", model=Assembly)
    source.auto_update()
    wheel = Assembly.create(name="wheel")
    spoke = wheel.parts.create(name="spoke")
    assert names(spoke.assemblies()) == ["wheel"]
    spoke.assemblies.create(name="spare wheel")
    assert names(Assembly.find_one({"name": "spare wheel"}).parts()) == ["spoke"]
    assert spoke.assemblies.remove(wheel) == 1
    assert wheel.parts() == []
    wheel.parts.add(spoke)
    wheel.parts.add(spoke)
    assert spoke.assemblies.count() == 2
    assert spoke.assemblies.destroy_all() == 2
    assert Assembly.count() == 2
