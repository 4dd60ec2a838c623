"""The APIs of Anthropic and OpenAI, played by a server of ours to the unmodified packages, over HTTP.

``python -m tests.fake_api --port 8123`` starts it for benchmarks; ``running.running_api()`` runs it in a thread
for tests (the fixture ``fake_api``). Nothing of ours is imported here, so that a mistake of ours is not made twice.

    world.py     the state: clock, bill, script of faults, limits, cache, batches; settings
    judge.py     the scripted judge: how it reads a prompt, which injections it obeys, what it prefers
    writing.py   a reply that fits the schema asked for, as text and as tokens with logprobs
    faults.py    the faults, by name
    serving.py   what happens to every request: key, limits, fault, work, bill
    anthropic_side.py, openai_side.py, openai_batches.py   the endpoints and their payloads
    batches.py   batches of both, over the server's own time
    admin.py     /_admin: set, script, inspect, move the clock
    running.py   the server in a thread, or in a process of its own, and a handle to /_admin
"""
