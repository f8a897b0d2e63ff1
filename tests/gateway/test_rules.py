"""Which tests hold the laws of the platform (DESIGN section 5), so that none is untested.

To add a test to a law, add its name: `folder/file.py::test_name`, where `*` stands for anything.
"""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).resolve().parents[1]

LAWS: Final[Mapping[int, tuple[str, ...]]] = {
    1: (
        "gateway/test_serve.py::test_a_reply_is_in_the_form_that_was_asked_for",
        "gateway/test_streaming.py::test_a_larger_body_is_a_generator_of_several_that_ends_late_enough",
        "workbench/test_laws.py::test_a_body_that_is_no_generator_is_joined_into_one_chunk",
    ),
    2: (
        "gateway/test_serve.py::test_a_stream_begins_before_the_run_has_ended",
        "gateway/test_serve.py::test_an_early_failure_has_its_true_status",
        "gateway/test_streaming.py::test_an_opening_leaves_at_once_though_no_event_is_there_yet",
        "plugin/test_limits.py::test_a_failure_within_ten_seconds_is_a_true_status",
        "workbench/test_laws.py::test_status_and_headers_leave_with_the_first_chunk_not_before",
    ),
    3: (
        "gateway/test_streaming.py::test_a_source_that_raises_ends_the_stream_with_an_error",
        "gateway/test_streaming.py::test_a_writer_that_raises_ends_the_stream_with_an_error",
        "gateway/test_streaming.py::test_a_writer_that_can_not_even_write_an_error_raises_nothing",
        "gateway/test_decoder.py::test_any_dict_is_decoded_and_the_run_still_ends_once",
        "gateway/protocols/native/test_reply.py::test_any_run_is_written_without_raising",
        "gateway/protocols/test_classic.py::test_any_page_is_json_and_line_breaks_and_nothing_else",
        "workbench/test_laws.py::test_an_exception_after_the_first_chunk_is_appended_to_the_body",
    ),
    4: (
        "gateway/test_serve.py::test_any_request_is_answered_and_nothing_escapes",
        "gateway/test_serve.py::test_what_nobody_foresaw_is_a_500_that_names_no_details",
        "gateway/test_settings.py::test_any_json_is_read_without_raising",
        "gateway/protocols/native/test_request.py::test_any_*_read_or_refused",
        "plugin/test_garbage.py::test_after_10000_malformed_requests_the_next_good_one_is_answered",
        "workbench/test_laws.py::test_an_exception_that_escapes_the_endpoint_is_the_sdks_text",
    ),
    5: (
        "gateway/transports/test_reverse.py::test_nothing_is_sent_before_the_first_event_is_asked_for",
        "gateway/test_decoder.py::test_the_decoder_asks_for_no_dict_before_it_is_asked_for_an_event",
        "workbench/test_laws.py::test_a_reverse_call_is_not_made_before_its_first_event_is_asked_for",
    ),
    6: (
        "gateway/test_streaming.py::test_a_silent_stream_has_heartbeats",
        "gateway/test_streaming.py::test_events_that_are_not_shown_do_not_stop_the_heartbeats",
        "plugin/test_limits.py::test_a_silent_stream_is_kept_alive_from_ten_seconds_on",
        "workbench/test_laws.py::test_pings_of_dify_never_arrive",
    ),
    7: (
        "gateway/test_streaming.py::test_no_chunk_is_over_1_mib",
        "gateway/transports/test_reverse.py::test_a_call_whose_line_would_kill_the_plugin_is_a_413_before_it_is_sent",
        "gateway/transports/test_reverse.py::test_the_line_of_a_call_that_passes_stays_below_the_daemons_5_mib",
        "plugin/test_garbage.py::test_fields_of_megabytes_are_carried_or_refused_and_never_kill_the_plugin",
        "workbench/test_laws.py::test_a_line_over_5_mib_kills_the_plugin_and_open_requests_hang",
    ),
    8: (
        "gateway/test_streaming.py::test_five_thousand_events_arrive_whole_and_in_order_in_a_few_chunks",
        "gateway/test_streaming.py::test_an_event_that_comes_alone_leaves_at_once",
        "gateway/test_streaming.py::test_no_event_is_held_longer_than_a_quarter_of_a_second",
        "gateway/test_streaming.py::test_the_more_is_sent_the_longer_it_gathers",
        "plugin/test_load.py::test_a_slow_reader_loses_nothing_of_an_app_at_full_speed",
        "workbench/test_laws.py::test_chunks_are_dropped_without_a_word_while_128_wait_for_the_client",
    ),
    9: (
        "gateway/test_streaming.py::test_a_reply_of_several_chunks_does_not_end_at_once_after_the_first",
        "gateway/test_streaming.py::test_a_reply_of_one_chunk_ends_at_once",
        "plugin/test_load.py::test_no_short_reply_loses_its_tail",
        "workbench/test_laws.py::test_a_reply_that_ends_too_soon_loses_all_but_its_first_chunk",
    ),
    10: (
        "gateway/protocols/native/test_request.py::test_a_body_is_refused",
        "gateway/protocols/native/test_request.py::test_a_body_of_one_byte_less_than_10_mib_is_whole",
        "workbench/test_laws.py::test_a_request_body_is_cut_at_10_mib_without_a_word",
    ),
    11: (
        "gateway/test_routes.py::test_every_method_that_the_daemon_routes_is_caught_on_every_path",
        "gateway/protocols/native/test_request.py::test_the_query_string_is_read_as",
        "workbench/test_laws.py::test_of_repeated_headers_the_last_is_left_in_both_directions",
        "workbench/test_laws.py::test_patch_is_never_routed",
        "workbench/test_laws.py::test_the_query_is_sorted_and_malformed_pairs_are_dropped",
    ),
    12: (
        "gateway/test_uploads.py::test_without_an_apps_key_bytes_are_a_400_that_names_the_part_and_the_remedy",
        "gateway/test_serve.py::test_user_goes_to_the_variable_that_is_configured_for_it",
        "gateway/test_serve.py::test_a_file_for_an_input_reaches_dify_as_it_was_sent",
        "workbench/test_laws.py::test_files_and_user_do_not_survive_the_reverse_path",
    ),
    13: (
        "gateway/test_limits.py::test_a_local_plugin_reads_the_limits_where_they_are_set",
        "gateway/test_limits.py::test_a_reached_limit_is_named_with_the_knob_that_lifts_it",
        "gateway/test_streaming.py::test_*_beyond_*_limit_*",
        "gateway/test_start.py::test_a_local_plugin_keeps_to_the_daemons_clock",
        "plugin/test_limits.py::test_raised_limits_let_the_same_runs_end",
        "workbench/test_laws.py::test_a_reverse_call_is_cut_at_its_limit_with_data_flowing_or_not",
    ),
    14: (
        "gateway/test_streaming.py::test_a_body_that_is_closed_early_ends_its_run",
        "gateway/test_streaming.py::test_a_body_that_is_never_begun_and_forgotten_ends_its_run",
        "workbench/test_laws.py::test_a_session_whose_client_has_left_is_never_answered",
    ),
    15: (
        "gateway/test_diagnosis.py::test_a_recorded_text_means",
        "gateway/test_diagnosis.py::test_a_code_of_an_error_event_means",
        "gateway/test_diagnosis.py::test_a_providers_429_is_a_429",
    ),
    16: (
        "gateway/test_serve.py::test_relative_links_lead_to_the_hooks_origin_or_to_files_url",
        "gateway/test_detail.py::test_a_form_token_never_leaves_however_deep_it_is",
        "gateway/test_decoder.py::test_a_paused_run_tells_its_forms_without_their_tokens",
        "workbench/test_laws.py::test_the_hooks_headers_can_be_forged",
    ),
    17: (
        "gateway/test_kinds.py::test_endpoints_learn_for_themselves",
        "gateway/test_slots.py::test_endpoints_have_slots_of_their_own",
        "gateway/test_start.py::test_endpoints_hold_their_own_slots",
    ),
    18: (
        "gateway/protocols/test_classic.py::test_a_recorded_page_is_json_and_line_breaks_and_nothing_else",
        "gateway/protocols/test_classic.py::test_the_page_and_its_errors_are_sandboxed",
        "gateway/test_serve.py::test_duck_is_a_live_page_sandboxed",
        "gateway/test_serve.py::test_difys_cookies_are_never_forwarded_logged_or_sent_back",
    ),
    19: (
        "plugin/test_unreadable.py::test_it_is_a_400_that_says_what_is_wrong",
        "runtime/test_requests.py::test_what_the_sdk_would_not_read_says_what_is_wrong",
        "workbench/test_laws.py::test_what_the_sdk_refuses_is_a_500_with_its_traceback",
    ),
}


def _written() -> set[str]:
    """Every test that there is, by text: these files are not imported."""
    return {
        f"{path.relative_to(TESTS).as_posix()}::{name}"
        for path in TESTS.rglob("test_*.py")
        if "node_modules" not in path.parts
        for name in re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)
    }


def test_every_law_has_a_test() -> None:
    assert sorted(LAWS) == list(range(1, 20))
    assert [law for law, tests in LAWS.items() if not tests] == []


@pytest.mark.parametrize("law", LAWS, ids=lambda law: f"law {law}")
def test_the_tests_of_a_law_exist(law: int) -> None:
    written = _written()
    missing = [test for test in LAWS[law] if not any(fnmatchcase(name, test) for name in written)]
    assert missing == []
