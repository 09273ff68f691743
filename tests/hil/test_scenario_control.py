"""What a scenario says of the controller: rule sets, oref, guardrails, and what a loop needs.

Goal: each is read with the names of the wire; what does not go together is refused before anything starts, by its line.
Method: scenario texts, and the commands that their plans begin with.
"""

from dataclasses import asdict

import pytest

from pumprig.errors import ScenarioError
from pumprig.oracle import Guardrails, OracleSettings
from pumprig.oracle.oref_settings import OrefSettings as OracleOref
from pumprig.patients import patient_parameters
from pumprig.runs import make_plan
from pumprig.scenario import Scenario
from pumprig.scenario_control import ControllerSettings, OrefSettings, rule_sets
from pumprig.scenario_parts import AnnounceCarbs
from pumprig.scenario_patient import loop_profiles

PROFILES = """
[pump]
isf_profile = [{ duration_minutes = 1440, isf_mg_dl_per_iu = 45 }]
icho_profile = [{ duration_minutes = 1440, icho_ratio_g_per_iu = 9.5 }]
target_profile = [{ duration_minutes = 1440, low_mg_dl = 100, high_mg_dl = 110 }]
"""
OREF = 'trace = "bundled"\ncontroller = "oref"\nhours = 2\n'


def refused(text):
    """The lines of a refusal, when the text is read or when it is planned."""
    with pytest.raises(ScenarioError) as refusal:
        make_plan(Scenario.from_toml(text))
    return list(refusal.value.problems)


def settings(text):
    """The controller's settings of a scenario."""
    return Scenario.from_toml(f'trace = "bundled"\n[settings]\n{text}').settings


def test_suspend_before_low_by_name():
    """D-618: L = 60; what the scenario says itself counts more."""
    read = settings('rule_set = "suspend_before_low"\nlow_limit_mg_dl = 60\nlockout_minutes = 0')
    assert read.written() == {
        "suspend_predicted_mg_dl": 80, "suspend_now_mg_dl": 61, "horizon_minutes": 30, "suspend_limit_minutes": 120,
        "limit_window_minutes": 150, "stale_minutes": 15, "lockout_minutes": 0, "dia_minutes": 300, "peak_minutes": 75,
        "near_mg_dl": 130, "resume_mg_dl": 80, "resume_predicted_mg_dl": 100, "minimum_minutes": 30, "plgs_flags": 0,
    }  # fmt: skip


def test_basal_iq_is_what_the_rules_begin_with():
    """D-618: naming it changes nothing, and it is all numbers of the settings."""
    assert settings('rule_set = "basal_iq"').written() == ControllerSettings().written()
    assert set(rule_sets()["basal_iq"]) <= set(ControllerSettings.model_fields)


@pytest.mark.parametrize("low_limit", [50, 90])
def test_every_low_limit_gives_settings_that_the_pump_takes(low_limit):
    """D-616, D-618."""
    read = settings(f'rule_set = "suspend_before_low"\nlow_limit_mg_dl = {low_limit}')
    assert OracleSettings().with_controller(**read.written()).controller.refusal() == ""


def test_a_low_limit_needs_a_rule_set_that_counts_from_it():
    assert refused('trace = "bundled"\n[settings]\nlow_limit_mg_dl = 60') == [
        "scenario.toml:3: settings.low_limit_mg_dl: belongs to a rule set that counts from it, suspend_before_low"
    ]


def test_a_rule_set_survives_the_record():
    scenario = Scenario.from_toml('trace = "bundled"\n[settings]\nrule_set = "suspend_before_low"')
    assert Scenario.from_json(scenario.to_json()).settings.written() == scenario.settings.written()


def test_a_loop_needs_its_profiles():
    assert refused(OREF) == [
        "scenario.toml:1: pump.isf_profile: is missing: controller oref needs insulin sensitivity of a day",
        "scenario.toml:1: pump.icho_profile: is missing: controller oref needs carbohydrate ratios of a day",
        "scenario.toml:1: pump.target_profile: is missing: controller oref needs targets of a day",
    ]


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ("1440, isf", "1439, isf", "pump.isf_profile: the blocks last 1439 minutes together, a day has 1440"),
        ("= 45", "= 0.9", "pump.isf_profile: isf_mg_dl_per_iu is 0.9; allowed: 1 to 1000 (D-910)"),
        ("= 9.5", "= 301", "pump.icho_profile: icho_ratio_g_per_iu is 301; allowed: 1 to 300 (D-910)"),
        ("= 100,", "= 111,", "pump.target_profile: low_mg_dl 111 lies above high_mg_dl 110 (D-910)"),
    ],
)
def test_a_profile_that_no_pump_takes(was, becomes, message):
    (line,) = refused(OREF + PROFILES.replace(was, becomes))
    assert line.partition(": ")[2] == message


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("[oref]\nmax_iob_mu = 50001", "oref.max_iob_mu: is 50001, above guardrail 3, which allows 50000"),
        ("[guardrails]\niob_mu = 2999", "oref.max_iob_mu: is 3000, above guardrail 3, which allows 2999"),
        (
            "[guardrails]\nbasal_mu_per_h = 2950",
            "oref.max_basal_mu_per_h: is 4000, above guardrail 1, which allows 2950",
        ),
        ("[guardrails]\nstale_minutes = 14", "settings.stale_minutes: is 15, above guardrail 7, which allows 14"),
        ("[guardrails]\nhour_mu = 60001", "guardrails.hour_mu: hour_mu is 60001; allowed: 50 to 60000 (D-1201)"),
        ("[oref]\ntemp_target_mg_dl = 59", "oref.temp_target_mg_dl: must be 0 for none, or at least 60"),
        ("[oref]\nmax_cob = 3", "oref.max_cob: unknown field; do you mean max_cob_g?"),
    ],
)
def test_settings_that_do_not_go_together(more, message):
    """D-1201, D-1207: one clear message, and nothing is started."""
    (line,) = refused(OREF + PROFILES + more)
    assert line.partition(": ")[2] == message


def test_every_mistake_of_a_table_is_told():
    """One run of the command is enough to mend them all."""
    wrong = "[oref]\ntemp_target_mg_dl = 59\nautosens_thousandths = 100\nsmb_high_bg_mg_dl = 99"
    lines = refused(OREF + PROFILES + wrong)
    assert [line.partition(": ")[2] for line in lines] == [
        "oref.temp_target_mg_dl: must be 0 for none, or at least 60",
        "oref.autosens_thousandths: must be 0 for none, or at least 500",
        "oref.smb_high_bg_mg_dl: must be 0 for none, or at least 100",
    ]


def test_a_field_of_another_table_is_not_offered_in_its_own_name():
    """A command writes what the wire carries, so it has no rule set."""
    command = '[[command]]\nat = "00:01:00"\nkind = "set_controller"\ncontroller = "plgs"\n'
    (line,) = refused(OREF + PROFILES + command + 'settings = { rule_set = "basal_iq" }')
    assert line.partition(": ")[2] == "command.1.settings.rule_set: unknown field"


@pytest.mark.parametrize(
    "text",
    [
        OREF.replace("oref", "mine.py") + PROFILES,
        OREF + PROFILES + '[[command]]\nat = "00:01:00"\nkind = "set_controller"\ncontroller = "own"\n',
    ],
)
def test_what_is_decided_unseen_is_refused(text, tmp_path):
    """D-617: the samples of a lost connection come together, and only the last one's numbers can be asked for."""
    (tmp_path / "mine.py").touch()
    down = '[[fault]]\nat = "00:10:00"\nkind = "bearer_down"\nfor_seconds = 600\n'
    make_plan(Scenario.from_toml(text, folder=tmp_path))
    with pytest.raises(ScenarioError) as caught:
        make_plan(Scenario.from_toml(text + down, folder=tmp_path))
    (line,) = caught.value.problems
    assert "fault.1.kind: what a controller of your own decides" in line
    make_plan(Scenario.from_toml(OREF + PROFILES + down))


def test_how_a_loop_begins():
    """Profiles, settings and guardrails are written before the controller is chosen."""
    plan = make_plan(Scenario.from_toml(OREF + PROFILES + "[guardrails]\nhour_mu = 5000\n[oref]\nsmb = true"))
    kinds = [command.kind for command in plan.first_commands()]
    assert kinds == [
        "set_max_bolus", "write_basal_profile", "activate_basal_profile", "write_isf_profile", "write_icho_profile",
        "write_target_profile", "activate_templates", "set_oref", "set_guardrails",
    ]  # fmt: skip
    assert plan.first_commands()[-1].guardrails.given() == {"hour_mu": 5000}


def test_a_plain_run_writes_none_of_it():
    kinds = [command.kind for command in make_plan(Scenario.from_trace("bundled")).first_commands()]
    assert kinds == ["set_max_bolus", "write_basal_profile", "activate_basal_profile"]


def test_a_controller_of_ones_own(tmp_path):
    """Named by its file, relative to the scenario's folder; on the wire it is `own`."""
    text = OREF.replace('"oref"', '"mine.py"') + PROFILES
    scenario = Scenario.from_toml(text, folder=tmp_path)
    assert (scenario.controller_word, scenario.own_controller) == ("own", tmp_path / "mine.py")
    assert Scenario.from_json(scenario.to_json()).own_controller == tmp_path / "mine.py"


def test_a_patient_brings_the_profiles_of_a_loop():
    """The rules of 1800 and of 500 over twice the resting basal of a day."""
    plan = make_plan(Scenario.from_patient("adult#001", controller="oref", hours=1.0))
    basal = patient_parameters("adult#001").resting_basal_iu_per_h
    (isf,), (ratio,) = plan.scenario.pump.isf_profile, plan.scenario.pump.icho_profile
    assert float(isf.isf_mg_dl_per_iu) == pytest.approx(1800 / (48 * basal), abs=0.05)
    assert float(ratio.icho_ratio_g_per_iu) == pytest.approx(500 / (48 * basal), abs=0.05)
    assert make_plan(Scenario.from_patient("adult#001", hours=1.0)).scenario.pump.isf_profile is None


@pytest.mark.parametrize("name", ["adult#001", "child#001", "adolescent#001", "child#010"])
def test_every_patients_profiles_can_be_sent(name):
    """What a scenario would refuse is given by no patient."""
    values = {
        key: [block.model_dump() for block in blocks] for key, blocks in loop_profiles(patient_parameters(name)).items()
    }
    scenario = Scenario.from_patient(name)
    assert scenario.changed(pump={**scenario.pump.model_dump(), **values})


def test_meals_are_announced_when_they_are_eaten(tmp_path):
    """In whole grams; a meal of above 250 g in two announcements, one of less than half a gram not at all."""
    meals = tmp_path / "meals.csv"
    meals.write_text("00:30,45.4\n01:00,300\n01:30,0.4\n1d 00:10,20\n", encoding="utf-8")
    plan = make_plan(
        Scenario.from_patient("adult#001", str(meals), hours=25.0).changed(
            patient={"name": "adult#001", "meals": str(meals), "announce": True}
        )
    )
    told = [item for item in plan.schedule.stimuli if isinstance(item.payload, AnnounceCarbs)]
    start_s = plan.schedule.start_s
    assert [(item.at_s - start_s, item.payload.carbs_g) for item in told] == [
        (1800, 45), (3600, 250), (3600, 50), (87_000, 20), (88_200, 45)
    ]  # fmt: skip
    assert not plan.scenario.commands


def test_the_guardrails_of_the_pump_are_the_bounds():
    assert OracleSettings().guardrails == Guardrails()


def test_what_is_left_out_of_oref_is_as_the_rules_have_it():
    """D-1102: the pump begins with these, and the oracle knows them."""
    assert OrefSettings().model_dump() == asdict(OracleOref())


def test_settings_of_oref_have_the_names_of_the_wire():
    """Flags by name, everything else as the message has it."""
    from pumpwire.controller import OREF_SETTINGS
    from pumpwire.enums import OrefFlags

    wire = {item.name for item in OREF_SETTINGS.fields if item.name != "oref_flags"}
    flags = {flag.name.lower() for flag in OrefFlags}
    assert set(OrefSettings.model_fields) == wire | flags


def test_the_range_of_a_guardrail_is_not_that_of_a_setting_of_its_name():
    """stale_minutes is a field of [settings], too, up to 60."""
    assert refused('trace = "bundled"\n[guardrails]\nstale_minutes = 4') == [
        "scenario.toml:3: guardrails.stale_minutes: must be from 5 to 240"
    ]
    assert refused('trace = "bundled"\n[settings]\nstale_minutes = 61') == [
        "scenario.toml:3: settings.stale_minutes: must be from 5 to 60"
    ]
