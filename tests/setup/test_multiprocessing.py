"""Runs across processes: those of `multiprocessing`, and pools of them."""

from __future__ import annotations

import pytest

from tests.setup.programs import TOOL, recorded_and_replayed, tree

WORK = """
    import multiprocessing, os, sys
    from concurrent.futures import ProcessPoolExecutor
    from again import replayed
    import otel_agent_replay
    from otel_agent_replay import agent, step, tool

    IN_SCRIPT

    @tool
    def look_up(word):
        print("live", word, flush=True)
        return word.upper()

    def work(queue, word):
        queue.put((word, look_up(word)))

    def other_work(queue, word):
        queue.put((word, look_up("other " + word)))

    class Worker(multiprocessing.Process):
        def __init__(self, queue, word):
            super().__init__()
            self.queue, self.word = queue, word

        def run(self):
            work(self.queue, self.word)

    @agent
    def parent():
        context = multiprocessing.get_context(METHOD)
        queue = context.Queue()
        workers = [
            context.Process(target=work, args=(queue, "one")),
            context.Process(target=work, args=(queue, "two")),
            context.Process(target=other_work, args=(queue, "one")),
        ]
        if METHOD == multiprocessing.get_start_method():
            workers.append(Worker(queue, "three"))
        for worker in workers:
            worker.start()
        found = sorted(queue.get(timeout=60) for _ in workers)
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0, worker.exitcode
            assert "run" not in vars(worker)
        return found

    def main():
        found = parent()
        assert found[0] == ("one", "ONE"), found
        assert found[1] == ("one", "OTHER ONE"), found
        assert found[-1] == ("two", "TWO"), found

    METHOD = sys.argv[1]
    if __name__ == "__main__":
        IN_MAIN
        multiprocessing.set_start_method(METHOD)
        replayed(main) if "--replay" in sys.argv else main()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("configured", ["in the script", "in its main part"])
def test_processes_of_multiprocessing(place, method, configured):
    """Functions and subclasses; answers are not swapped, nothing is live."""
    configure = "otel_agent_replay.configure()"
    first = configured == "in the script"
    text = WORK.replace("IN_SCRIPT", configure if first else "")
    place.write("parent.py", text.replace("IN_MAIN", "pass" if first else configure))

    first_out, again_out = recorded_and_replayed(place, "parent.py", method)

    run = place.only_run()
    assert run.gaps == ()
    assert sorted(tree(run), key=str.split) == sorted(
        [
            "process work",
            "process work",
            "process other_work",
            "process Worker",
            "  tool look_up one",
            "  tool look_up two",
            "  tool look_up other one",
            "  tool look_up three",
        ],
        key=str.split,
    )
    assert first_out.count("live") == 4
    assert again_out.split() == ["served", "4", "of", "8"]


POOL = """
    import multiprocessing, sys
    from concurrent.futures import ProcessPoolExecutor
    from again import replayed
    import otel_agent_replay
    from otel_agent_replay import agent, tool

    otel_agent_replay.configure()

    @tool
    def look_up(number):
        print("live", number, flush=True)
        return number * number

    @agent
    def parent():
        context = multiprocessing.get_context(sys.argv[1])
        if sys.argv[2] == "executor":
            with ProcessPoolExecutor(2, mp_context=context) as pool:
                return list(pool.map(look_up, range(8)))
        with context.Pool(2) as pool:
            found = pool.map(look_up, range(8), chunksize=1)
            if sys.argv[2] == "pool":
                pool.close()
                pool.join()
            return found  # what is left without that is ended by a signal

    def main():
        assert parent() == [number * number for number in range(8)]

    if __name__ == "__main__":
        replayed(main) if "--replay" in sys.argv else main()
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ["executor", "pool", "pool left at once"])
def test_pools_of_processes(place, method, kind):
    """Whichever process gets which task, it is answered with its own result."""
    place.write("parent.py", POOL)

    recorded_and_replayed(place, "parent.py", method, kind)

    run = place.only_run()
    assert run.gaps == ()
    tools = [each for each in run.steps if each.call.kind == "tool"]
    assert sorted(each.call.inputs["number"] for each in tools) == [*range(8)]
    for each in tools:
        assert run.steps[each.parent].call.kind == "process"


SHARED = """
    import json, multiprocessing, pathlib, sys, time
    from concurrent.futures import ProcessPoolExecutor
    from again import replayed
    import otel_agent_replay
    from otel_agent_replay import agent, tool

    otel_agent_replay.configure()

    @tool
    def look_up(word):
        return [word, time.time_ns()]

    def item(number):
        time.sleep(0.01 * (number % 2 if "--replay" in sys.argv else number % 3))
        return [look_up(number), look_up("same"), look_up("same")]

    @agent
    def parent():
        context = multiprocessing.get_context(sys.argv[1])
        with ProcessPoolExecutor(3, mp_context=context) as pool:
            return list(pool.map(item, range(9)))

    def main():
        found, first = parent(), pathlib.Path("first.json")
        if not first.exists():
            first.write_text(json.dumps(found))
        assert found == json.loads(first.read_text())

    if __name__ == "__main__":
        replayed(main) if "--replay" in sys.argv else main()
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_equal_calls_of_workers_that_share_work(place, method):
    """Those for an item keep together, whichever process it goes to now."""
    place.write("parent.py", SHARED)

    recorded_and_replayed(place, "parent.py", method)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_that_fails(place, method):
    """Its step says so, whether by an exception or by an exit code."""
    place.write(
        "parent.py",
        f"""{TOOL}
    import multiprocessing

    def fails(word):
        look_up(word)
        raise ValueError(word)

    def leaves(word):
        look_up(word)
        sys.exit(4)

    @agent
    def parent():
        context = multiprocessing.get_context({method!r})
        codes = []
        for target in (fails, leaves):
            process = context.Process(target=target, args=("one",))
            process.start()
            process.join()
            codes.append(process.exitcode)
        return codes

    if __name__ == "__main__":
        assert parent() == [1, 4]
    """,
    )

    done = place.run("parent.py")

    assert done.code == 0, done.err
    run = place.only_run()
    processes = [each for each in run.steps if each.call.kind == "process"]
    assert [each.outcome.error.type_name for each in processes] == [
        "builtins:ValueError",
        "builtins:SystemExit",
    ]
    assert run.gaps == ()


MORE = """
    import multiprocessing, os, sys
    from again import replayed
    import otel_agent_replay
    from otel_agent_replay import agent, tool

    otel_agent_replay.configure()

    @tool
    def look_up(number):
        return number * number

    def first_of(numbers):
        return look_up(numbers[0])

    @agent
    def parent():
        context = multiprocessing.get_context("fork")
        numbers = [0, 1, 2, *([0] if "--replay" in sys.argv else [])]
        for number in numbers:
            worker = context.Process(target=first_of, args=([number],))
            worker.start()
            worker.join()

    if __name__ == "__main__":
        replayed(parent) if "--replay" in sys.argv else parent()
"""


def test_one_call_more_than_recorded_in_another_worker(place):
    """It is reported, although each process by itself asked for what was recorded."""
    place.write("parent.py", MORE)
    assert place.run("parent.py").code == 0

    done = place.run("parent.py", "--replay")

    assert done.code != 0
    assert "unexpected: look_up" in done.err


DIVERGING = """
    import multiprocessing, sys
    from multiprocessing.pool import ThreadPool
    from again import replayed
    import otel_agent_replay
    from otel_agent_replay import agent, tool

    otel_agent_replay.configure()

    @tool
    def look_up(number):
        return number * number

    def pool(kind):
        if kind == "threads":
            return ThreadPool(2)
        return multiprocessing.get_context(kind).Pool(2)

    def item(number):
        return look_up(number + 100 * (number == 3 and "--replay" in sys.argv))

    @agent
    def parent(way):
        with pool(sys.argv[1]) as workers:
            if way == "map":
                return workers.map(item, range(6), chunksize=1)
            try:
                return [workers.apply(item, (number,)) for number in range(6)]
            except Exception:
                return "swallowed"

    if __name__ == "__main__":
        main = lambda: parent(sys.argv[2])
        replayed(main) if "--replay" in sys.argv else main()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "threads"])
@pytest.mark.parametrize("way", ["map", "apply"])
def test_a_pool_whose_worker_is_stopped_by_a_divergence(place, method, way):
    """Whoever waits for its task is stopped in its place; nobody waits for ever."""
    place.write("parent.py", DIVERGING)
    assert place.run("parent.py", method, way).code == 0

    done = place.run("parent.py", method, way, "--replay")

    assert done.code != 0
    assert "DivergenceError" in done.err
    assert "changed: look_up" in done.err
    assert "swallowed" not in done.err
    assert "changed: parent" not in done.err


OTHERS = """
    import multiprocessing, os, sys
    from again import replayed
    import otel_agent_replay
    from otel_agent_replay import agent, tool

    otel_agent_replay.configure()
    AGAIN = "--replay" in sys.argv

    @tool
    def look_up(number):
        return number * number

    def work(first):
        if first and AGAIN:
            os._exit(0)  # as a pool's worker that is ended before it has begun
        if first or AGAIN:
            look_up(1)

    @agent
    def parent():
        context = multiprocessing.get_context("fork")
        for first in (True, False)[:1 + AGAIN]:
            worker = context.Process(target=work, args=(first,))
            worker.start()
            worker.join()

    if __name__ == "__main__":
        replayed(parent) if AGAIN else parent()
"""


def test_another_worker_does_what_the_recorded_one_did(place):
    """That one is not missing, though it never came to say that it was there."""
    place.write("parent.py", OTHERS)

    _, again = recorded_and_replayed(place, "parent.py")

    assert again.split() == ["served", "1", "of", "2"]
