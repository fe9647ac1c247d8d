"""What a step cost is the sum of its jobs, and their largest memory."""

from nucwsi.io.benchmarks import JobCost
from nucwsi.report.run import StepTime


def test_times_add_up_and_memory_is_the_largest():
    total = StepTime("predict")
    for memory in (700.0, 600.0, None):
        total = total.with_job(JobCost(wall_s=10.0, cpu_s=None, max_rss_mb=memory))
    assert total == ("predict", 3, 30.0, 0.0, 700.0)
