"""What can go wrong, and the tests that show what happens then.

Rules of residence: a table. Rows are lettered by whom the fault comes to: W workers, H handlers
on the loop, P publishers and waiters, L life cycle, R resources and the compiled core. A row
names its tests, or says why there is none.
"""

from __future__ import annotations

import msgspec

__all__ = ["CATALOGUE", "ROWS", "Row"]

# How many rows of each letter there are.
ROWS = {"W": 22, "H": 13, "P": 15, "L": 12, "R": 7}


class Row(msgspec.Struct, frozen=True):
    """One fault."""

    fault: str
    tests: tuple[str, ...] = ()
    """As `FILE::NAME`, under `tests/`."""
    why_none: str = ""


def row(fault: str, *files: str, why_none: str = "") -> Row:
    """A fault, and for each file of tests its name and those of tests in it."""
    named = []
    for each in files:
        file, *tests = each.split()
        named += [f"{file}.py::test_{test}" for test in tests]
    return Row(fault, tuple(named), why_none)


CATALOGUE: dict[str, Row] = {
    # -- workers
    "W1": row(
        "SIGKILL while it runs an event",
        "faults/test_workers a_death_fails_the_event_that_ran_and_says_what_of",
        "soak/test_counted it_holds",
    ),
    "W2": row(
        "a crash in the collector, in a hook, a thread, a callback, a destructor",
        "faults/test_workers a_death_fails_the_event_that_ran_and_says_what_of",
        "faults/test_crashes_in_workers a_crash_costs_the_event_and_says_what_it_was",
    ),
    "W3": row(
        "SIGSTOP",
        "faults/test_workers a_stopped_worker_is_killed_at_its_timeout"
        " an_idle_worker_that_was_stopped_is_replaced_and_loses_nothing",
    ),
    "W4": row(
        "no memory in a worker",
        "faults/test_workers running_out_of_memory_costs_the_event_and_replaces_the_worker",
        "faults/test_crashes_in_workers"
        " memory_that_the_system_refuses_costs_the_event_and_the_worker",
    ),
    "W5": row(
        "os._exit(0), sys.exit, exit() of C",
        "faults/test_workers a_death_fails_the_event_that_ran_and_says_what_of",
        "workers/test_process_collectors whatever_is_raised_costs_its_event_only",
    ),
    "W6": row(
        "workers cannot be started",
        "faults/test_workers starts_that_keep_failing_degrade_the_pool_and_events_wait",
        "faults/test_open_files"
        " whichever_file_cannot_be_opened_the_start_says_so_and_leaves_none",
        "workers/test_backoff the_wait_between_starts_that_fail_doubles_up_to_five_seconds",
    ),
    "W7": row(
        "a module that cannot be imported, a program without a guard",
        "faults/test_workers a_module_that_cannot_be_imported_fails_the_start"
        " a_program_without_a_guard_is_refused a_program_at_a_prompt_is_refused",
    ),
    "W8": row(
        "all workers die at once",
        "faults/test_workers all_workers_die_at_once",
    ),
    "W9": row(
        "its end comes between its result and our reading that",
        "faults/test_workers a_worker_that_closed_our_files_is_replaced",
        "faults/test_workers_in_trouble a_result_is_told_though_the_next_run_is_a_long_one",
    ),
    "W10": row(
        "killed in the middle of a frame",
        "workers/test_wire a_frame_cut_anywhere_is_no_frame",
        "faults/test_crashes_in_workers"
        " a_worker_that_is_killed_while_it_answers_never_answers_in_part",
    ),
    "W11": row(
        "garbage, flipped bits, frames that come late",
        "workers/test_wire a_garbled_frame_is_refused every_flipped_bit_is_seen"
        " a_late_frame_is_refused",
        "faults/test_workers garbage_from_a_worker_costs_its_event",
    ),
    "W12": row(
        "a socket that is full both ways, or takes a few bytes at a time",
        "faults/test_workers large_values_both_ways_do_not_block",
        "faults/test_workers_in_trouble a_socket_that_is_full_when_a_frame_is_open",
        "faults/test_open_files a_socket_that_takes_a_few_bytes_at_a_time_loses_none",
    ),
    "W13": row(
        "a library that writes to the terminal, or closes files that are not its own",
        "faults/test_workers a_worker_that_closed_our_files_is_replaced",
        "faults/test_crashes_in_workers"
        " what_a_worker_writes_to_the_terminal_reaches_it_and_nothing_else",
    ),
    "W14": row(
        "results and exceptions that cannot be sent, or are odd",
        "workers/test_process_collectors"
        " what_cannot_be_encoded_fails_its_event_only_naming_type_and_path"
        " whatever_is_raised_costs_its_event_only odd_answers",
    ),
    "W15": row(
        "an exception whose __reduce__ would run here",
        "workers/test_process_collectors whatever_is_raised_costs_its_event_only",
        "house/test_leftovers nothing_is_pickled",
    ),
    "W16": row(
        "children that a worker leaves behind",
        "faults/test_workers children_of_a_worker_go_with_it",
    ),
    "W17": row(
        "the program is killed",
        "faults/test_workers no_worker_outlives_its_program",
    ),
    "W18": row(
        "the fork server dies",
        "faults/test_workers workers_survive_the_fork_server_and_new_ones_are_made",
    ),
    "W19": row(
        "workers are replaced after so many events or bytes",
        "faults/test_workers a_worker_is_replaced_after_so_many_events"
        " a_worker_is_replaced_above_so_many_bytes",
        "faults/test_workers_in_trouble no_worker_runs_more_events_than_it_may",
        "faults/test_worker_replacement there_is_a_worker_however_they_are_replaced",
    ),
    "W20": row(
        "an event that kills whichever worker runs it",
        "faults/test_workers an_idempotent_event_is_run_again_up_to_three_times",
    ),
    "W21": row(
        "a run that overruns its timeout, and ignores SIGTERM",
        "faults/test_workers a_run_that_overruns_its_timeout_is_ended",
    ),
    "W22": row(
        "the program forks",
        "faults/test_workers no_worker_outlives_its_program",
        "faults/test_far_ends a_child_that_the_program_forks_touches_nothing",
        "faults/test_far_ends nothing_is_taken_for_a_queue_in_a_forked_child",
        "workers/test_at_the_border a_fork_of_a_worker_does_not_answer_for_it",
    ),
    # -- handlers on the loop
    "H1": row(
        "it raises, or returns what it should not",
        "flow/test_results whatever_an_async_handler_raises_costs_its_event_only"
        " whatever_a_plain_handler_raises_costs_its_event_only",
    ),
    "H2": row(
        "it raises a CancelledError of its own",
        "faults/test_own_cancellation its_event_fails_and_the_next_is_unharmed"
        " a_burst_of_them_leaves_the_pool_as_it_was",
    ),
    "H3": row(
        "GeneratorExit, a BaseException of its own",
        "faults/test_own_cancellation whatever_a_handler_raises_its_consumer_lives",
    ),
    "H4": row(
        "SystemExit, KeyboardInterrupt",
        "faults/test_own_cancellation whatever_a_handler_raises_its_consumer_lives"
        " whatever_a_plain_handler_raises_its_consumer_lives",
    ),
    "H5": row(
        "it never returns, and swallows its cancellation",
        "policies/test_timeouts a_handler_that_swallows_its_cancel_loses_its_place"
        " so_does_one_of_several",
    ),
    "H6": row(
        "it blocks the loop: nothing is promised then but to say who it was",
        "admin/test_metrics the_collector_that_held_the_loop_longest_is_named",
        "faults/test_far_ends when_the_machine_has_slept_each_deadline_is_met_once",
    ),
    "H7": row(
        "it swallows cancellations, or waits in a finally, while the queue closes",
        "faults/test_drain close_ends_in_time_whatever_handlers_do"
        " a_handler_that_does_not_end_is_abandoned_named_and_warned",
    ),
    "H8": row(
        "it changes the payload, or the list of results",
        "native/test_payload a_sent_payload_cannot_be_changed",
        "flow/test_results a_result_list_from_an_event_is_sealed",
        "flow/test_router the_list_a_router_returned_is_not_the_one_that_waiters_get",
    ),
    "H9": row(
        "failures that are kept for ever",
        "faults/test_memory failed_events_that_are_kept_hold_no_frames",
        "faults/test_far_ends ten_thousand_failures_that_are_kept_weigh_little",
    ),
    "H10": row(
        "one of several collectors fails, or dies",
        "flow/test_results one_of_several_collectors_that_raises_changes_only_its_own_place"
        " results_are_in_registration_order_whatever_order_they_come_in",
        "faults/test_workers a_part_of_an_event_is_lost_alone",
    ),
    "H11": row(
        "lifecycles that fail to enter, or to exit",
        "faults/test_lifecycles"
        " if_one_fails_to_enter_those_before_it_are_left_and_start_raises"
        " if_one_fails_to_enter_and_others_to_exit_start_raises_the_first"
        " all_are_left_though_some_raise_and_the_errors_come_as_a_group",
    ),
    "H12": row(
        "a router, an observer, a log handler or a scaling policy raises",
        "flow/test_router a_router_that_raises_costs_its_event_only",
        "admin/test_observers whatever_an_observer_raises_costs_itself_only",
        "flow/test_logging_and_metrics a_log_handler_that_raises_costs_no_event",
        "admin/test_autoscaling a_policy_that_fails_in_any_way_leaves_the_pool_as_it_is",
    ),
    "H13": row(
        "it changes context variables, the decimal context among them",
        "faults/test_contexts a_plain_handler a_handler_that_does_not_suspend"
        " a_handler_that_suspends_keeps_its_own_and_leaves_nothing",
    ),
    # -- publishers and waiters
    "P1": row(
        "handlers that send to their own full queue",
        "flow/test_capacity"
        " a_handler_may_fill_the_queue_to_twice_its_capacity_and_never_waits",
        "faults/test_waiting_inside sending_inside_never_waits",
    ),
    "P2": row(
        "a blocked sender is cancelled",
        "flow/test_capacity the_place_of_a_sender_cancelled_at_any_tick_passes_to_the_next"
        " a_send_that_is_cancelled_while_it_waits_was_never_accepted",
        "faults/test_cancelled_at_every_tick a_blocked_send",
    ),
    "P3": row("cancelled between a journal's append and its fsync", why_none="no journal yet"),
    "P4": row(
        "waiters are cancelled, or come after the end",
        "native/test_event a_cancelled_wait_ends_and_the_event_goes_on",
        "faults/test_cancelled_events"
        " a_cancelled_waiter_leaves_the_event_and_other_waiters_alone",
        "faults/test_cancelled_at_every_tick waiting_for_an_event",
    ),
    "P5": row(
        "very many waiters",
        "native/test_event cancelling_twenty_thousand_waiters_is_linear",
    ),
    "P6": row(
        "very many blocked senders",
        "flow/test_capacity twenty_thousand_blocked_senders_are_admitted_in_order"
        " send_nowait_never_passes_a_sender_that_is_blocked",
    ),
    "P7": row(
        "sends before the start, after the close, during the drain",
        "faults/test_drain sends_before_start_and_after_close_are_refused"
        " while_draining_handlers_may_send_to_twice_the_capacity",
        "flow/test_sending a_draining_queue_refuses_every_send_from_outside",
    ),
    "P8": row(
        "sends from other threads",
        "faults/test_thread_collectors"
        " a_send_from_another_thread_is_refused_and_changes_nothing",
        "flow/test_other_threads what_threads_send_is_collected_in_the_order_of_each",
    ),
    "P9": row(
        "sends from signal handlers and destructors",
        "faults/test_far_ends sends_from_signal_handlers_and_destructors_are_sends",
    ),
    "P10": row(
        "huge payloads",
        "policies/test_bytes what_never_fits_is_refused_under_every_policy",
        "workers/test_process_collectors results_of_any_size",
    ),
    "P11": row(
        "payloads that cannot be encoded",
        "workers/test_process_collectors"
        " what_cannot_be_encoded_fails_its_event_only_naming_type_and_path",
    ),
    "P12": row(
        "no route, unknown keys, one key twice",
        "flow/test_delivery an_event_that_matches_nothing_ends_unrouted"
        " an_unknown_key_among_known_ones_is_an_error_in_the_list",
        "flow/test_collectors two_collectors_of_one_key_are_refused",
    ),
    "P13": row("one event that is sent twice", why_none="nothing is deduplicated yet"),
    "P14": row(
        "an event that nobody keeps fails",
        "native/test_event an_event_that_nobody_keeps_runs_all_the_same",
        "flow/test_logging_and_metrics"
        " the_first_failure_of_its_kind_is_logged_with_its_traceback_unasked",
    ),
    "P15": row(
        "a flood of urgent events",
        "flow/test_priority nothing_starves_while_urgent_events_keep_coming",
        "native/test_lanes ties_stay_in_send_order_through_any_number_of_takes",
    ),
    # -- life cycle
    "L1": row(
        "closed while it scales, replaces or starts",
        "faults/test_drain after_close_there_are_no_consumers",
        "faults/test_cancelled_at_every_tick start close",
        "faults/test_worker_replacement closing_at_once_leaves_no_file",
    ),
    "L2": row(
        "the drain's deadline comes first",
        "faults/test_drain at_the_deadline_what_is_left_is_aborted_and_reported_in_order"
        " cancelled_handlers_may_clean_up_for_half_a_second",
    ),
    "L3": row(
        "closed twice, and from a handler",
        "faults/test_drain a_second_close_joins_the_first_and_gets_the_same_report"
        " close_inside_a_handler_starts_the_drain_and_returns",
    ),
    "L4": row(
        "the close is cancelled",
        "faults/test_drain a_cancelled_close_goes_to_abort_and_re_raises",
        "faults/test_cancelled_at_every_tick close",
    ),
    "L5": row(
        "SIGTERM and SIGINT, once and twice, at any time",
        "faults/test_signals run_drains_on_the_first_signal run_aborts_on_the_second_signal"
        " a_signal_while_it_starts_leaves_what_was_entered"
        " run_returns_the_value_and_puts_the_handlers_back",
    ),
    "L6": row(
        "the loop ends with events queued",
        "faults/test_loop_end a_loop_that_ends_without_close_warns_and_does_not_crash",
        "faults/test_worker_replacement workers_end_with_the_loop_or_the_queue",
    ),
    "L7": row(
        "started again and again; several queues",
        "faults/test_loop_end 1000_cycles_leave_no_task_thread_or_descriptor"
        " many_queues_on_one_loop_do_not_touch_each_other",
    ),
    "L8": row(
        "the body of `async with` raises",
        "faults/test_drain the_bodys_exception_is_kept_and_the_queue_drains"
        " a_failing_exit_does_not_replace_the_bodys_exception",
    ),
    "L9": row(
        "the interpreter ends without a close",
        "faults/test_far_ends a_program_that_ends_without_close_ends_soon",
        "faults/test_thread_collectors"
        " threads_that_end_while_the_interpreter_does_not_crash_it",
    ),
    "L10": row(
        "bursts, pauses and flapping load",
        "faults/test_pool bursts_and_pauses_never_leave_the_bounds_or_an_event_behind",
        "admin/test_scaler whatever_happens_the_bounds_hold_and_nobody_grows_unasked",
        "admin/test_scaling_traces the_pool_is_sized_as_in_the_simulator",
    ),
    "L11": row(
        "consumers are lost, one by one and all at once",
        "faults/test_cancelled_consumers cancelled_again_and_again_the_pool_keeps_its_size"
        " if_all_are_cancelled_in_one_turn_every_waiter_is_told",
    ),
    "L12": row(
        "the wall clock jumps, the machine sleeps",
        "faults/test_far_ends the_wall_clock_may_jump_by_years"
        " when_the_machine_has_slept_each_deadline_is_met_once",
    ),
    # -- resources and the compiled core
    "R1": row(
        "no file can be opened any more, at each that is",
        "faults/test_open_files"
        " whichever_file_cannot_be_opened_the_start_says_so_and_leaves_none",
        "faults/test_worker_replacement a_worker_whose_process_cannot_be_watched_is_not_used",
    ),
    "R2": row(
        "no memory, at each allocation",
        "faults/test_without_memory whichever_allocation_fails_the_queue_is_as_before",
    ),
    "R3": row(
        "the garbage collector runs at any point, over cycles of all kinds",
        "faults/test_memory"
        " all_kinds_of_values_pass_while_the_collector_runs_all_the_time"
        " a_payload_that_refers_to_its_queue_or_event_is_collected",
    ),
    "R4": row(
        "a million queued events are freed on a small stack",
        "faults/test_far_ends queued_events_are_freed_on_a_small_stack_however_many",
    ),
    "R5": row(
        "a free-threaded interpreter",
        why_none="not declared: such an interpreter turns its lock on when it imports the core",
    ),
    "R6": row(
        "another ABI, no uvloop, another system",
        "faults/test_signals run_takes_the_best_loop_there_is",
    ),
    "R7": row(
        "rings that are full and wrap, counts beyond 32 bits",
        "native/test_lanes a_ring_grows_at_every_place_of_its_head"
        " ageing_does_not_overflow_at_the_bounds",
        "native/test_counters counts_go_on_beyond_what_thirty_two_bits_hold"
        " a_bucket_counts_on_where_its_sixteen_bits_end",
    ),
}
