from edgekit.present.markdown import markdown_from_report
from edgekit.report import Failure, Report


def test_the_verdict_comes_first_and_then_what_binds(golden: Report) -> None:
    lines = markdown_from_report(golden).splitlines()
    assert lines[0] == "# FAIL: resnet20.onnx"
    assert "Accuracy binds on openvino-cpu" in lines[2]


def test_every_row_of_a_table_has_as_many_cells_as_its_head(golden: Report) -> None:
    cells = 0
    for line in markdown_from_report(golden).splitlines():
        if not line.startswith("|"):
            cells = 0
            continue
        cells = cells or line.count(" | ")
        assert line.count(" | ") == cells, line


def test_a_null_quantity_shows_its_reason(golden: Report) -> None:
    assert "- latency, memory, load_ms, int8_ops_share not measured: this machine is x86_64" in markdown_from_report(
        golden
    )


def test_a_default_budget_is_marked_as_one(golden: Report) -> None:
    assert "&lt; 1.00 points (default)" in markdown_from_report(golden)
    asked = golden.budget.model_copy(update={"drop_is_default": False})
    assert "(default)" not in markdown_from_report(golden.model_copy(update={"budget": asked}))


def test_a_failed_target_says_why(golden: Report) -> None:
    broken = golden.targets[0].model_copy(
        update={
            "failure": Failure(exit_code=6, error="the compiler said no", hint="see log.txt"),
            "artifact": None,
            "accuracy": None,
            "latency": None,
        }
    )
    page = markdown_from_report(golden.model_copy(update={"targets": (broken,)}))
    assert "- failed: the compiler said no" in page
    assert "- see log.txt" in page


def test_names_cannot_break_out_of_a_cell_or_become_html(golden: Report) -> None:
    strange = golden.targets[0].model_copy(update={"name": "a|b\n<script>"})
    page = markdown_from_report(golden.model_copy(update={"targets": (strange,)}))
    assert "| a\\|b &lt;script> |" in page
    assert "<script>" not in page


def test_a_page_is_cut_to_what_a_comment_takes(golden: Report) -> None:
    many = tuple(golden.targets[0].model_copy(update={"reasons": ("why " * 1000,)}) for _ in range(30))
    page = markdown_from_report(golden.model_copy(update={"targets": many}))
    assert len(page) <= 65_000
    assert page.endswith("(cut: the whole is in report.json)\n")
