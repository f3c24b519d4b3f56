package org.dpo4j.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The output of a run on a terminal and elsewhere. */
class ConsoleTest {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);

    @Test
    void withoutATerminalThereArePlainLines() {
        run(new Console(out, 0));
        assertThat(text().lines())
                .containsExactly("device  cpu", "rows    4", "training: 2", "step 1  loss 0.6931  num_tokens 1234567");
        assertThat(text()).doesNotContain("\r").doesNotContain("\u001b");
    }

    @Test
    void aTerminalShowsABarBelowTheMetrics() {
        run(new Console(out, 80));
        String[] drawn = text().split("\r", -1);
        assertThat(drawn[1]).isEqualTo("training [" + " ".repeat(30) + "] 0/2\u001b[K");
        assertThat(drawn[2])
                .matches("training \\[" + "=".repeat(15) + " ".repeat(15)
                        + "] 1/2  0:0\\d left(, [\\d,]+/s)?\u001b\\[K");
        assertThat(drawn[3]).startsWith("\u001b[Kstep 1  loss 0.6931").endsWith(System.lineSeparator());
        assertThat(drawn[4]).matches("training \\[" + "=".repeat(30) + "] 2/2  took 0:0\\d\u001b\\[K\\R");
    }

    /** A line of metrics per second for 1000 seconds: the first 300, then one per 10 seconds, and the last one. */
    @Test
    void withoutATerminalLinesComeAtABoundedRate() {
        long[] now = {0};
        Console console = new Console(out, 0, () -> now[0]);
        console.progress("training", 0, 1000);
        for (int step = 1; step <= 1000; step++) {
            now[0] += 1_000_000_000L;
            console.metrics(new Metrics(step, Map.of("loss", 0.5)));
            console.progress("training", step, 1000);
        }
        List<String> lines = text().lines().toList();
        assertThat(lines).filteredOn(line -> line.startsWith("step ")).hasSizeBetween(380, 401);
        assertThat(lines).filteredOn(line -> line.startsWith("training: ")).hasSizeBetween(16, 18);
        assertThat(lines).contains("step 200  loss 0.5000", "(9 more lines of metrics are in metrics.jsonl)");
        assertThat(lines).last().isEqualTo("step 1000  loss 0.5000");
        assertThat(text()).doesNotContain("\r");
    }

    /** If a line were as wide as the terminal, its first part would stay visible when the line is drawn again. */
    @ParameterizedTest
    @CsvSource({"80, 30", "50, 4", "35, 0", "10, 0"})
    void aBarIsNarrowerThanItsTerminal(int columns, int cells) {
        Console console = new Console(out, columns);
        console.progress("training", 0, 10000);
        console.progress("training", 9999, 10000);
        String[] drawn = text().replace("\u001b[K", "").split("\r", -1);
        assertThat(drawn).allMatch(line -> line.length() < columns);
        String empty = "training [" + " ".repeat(cells) + "] 0/10000";
        assertThat(drawn[1]).isEqualTo(empty.substring(0, Math.min(empty.length(), columns - 1)));
        assertThat(drawn[2].chars().filter(c -> c == '=').count()).isEqualTo(Math.max(0, cells - 1));
    }

    /** Long texts are cut: the start of a prompt, the end of a continuation. Control characters cannot change the terminal. */
    @Test
    void samplesOfAnEvaluationAreShownShortened() {
        var policy = new GeneratedSample.Continuation("b".repeat(200), 0.25);
        var reference = new GeneratedSample.Continuation("two\nlines\u001b[31m", null);
        var sample = new GeneratedSample(1, "a".repeat(200) + "?", policy, reference);
        new Console(out, 0).generations(new Generations(20, List.of(sample)));
        assertThat(text().lines())
                .containsExactly(
                        "step 20  samples",
                        "  prompt     …" + "a".repeat(98) + "?",
                        "  policy     [+0.250] " + "b".repeat(99) + "…",
                        "  reference  two lines?[31m");
    }

    /** The time left is that of the units since the first report; the time of those before it is unknown. */
    @Test
    void aPhaseThatIsReportedLateShowsNoTotalTime() {
        Console console = new Console(out, 80);
        console.progress("loading", 1, 2);
        console.progress("loading", 2, 2);
        assertThat(text())
                .isEqualTo("\rloading [" + "=".repeat(15) + " ".repeat(15) + "] 1/2\u001b[K\rloading [" + "=".repeat(30)
                        + "] 2/2\u001b[K" + System.lineSeparator());
    }

    @Test
    void metricsBreakBetweenNames() {
        Map<String, Double> values = new LinkedHashMap<>();
        values.put("loss", 0.5);
        values.put("rewards/chosen", 0.25);
        values.put("rewards/rejected", -0.25);
        new Console(out, 40).metrics(new Metrics(12, values));
        assertThat(text().lines())
                .containsExactly(
                        "", // the return to the start of the line
                        "\u001b[Kstep 12  loss 0.5000",
                        "         rewards/chosen 0.2500",
                        "         rewards/rejected -0.2500");
    }

    /** The next output, such as an error, must begin on a new line. */
    @Test
    void closingEndsTheLineOfAnUnfinishedBar() {
        try (Console console = new Console(out, 80)) {
            console.progress("training", 1, 2);
        }
        assertThat(text()).endsWith(System.lineSeparator());
        bytes.reset();
        Console interrupted = new Console(out, 80);
        interrupted.close();
        interrupted.progress("training", 1, 2);
        assertThat(text()).isEmpty();
        try (Console console = new Console(out, 80)) {
            console.progress("training", 2, 2);
            bytes.reset();
        }
        try (Console console = new Console(out, 0)) {
            console.progress("training", 1, 2);
            bytes.reset();
        }
        assertThat(text()).isEmpty();
    }

    @Test
    void aPhaseThatBeginsAgainIsAnnouncedAgain() {
        Console console = new Console(out, 0);
        console.progress("reference log-probs", 0, 5);
        console.progress("reference log-probs", 5, 5);
        console.progress("reference log-probs", 0, 3);
        assertThat(text().lines()).containsExactly("reference log-probs: 5", "reference log-probs: 3");
    }

    /** The output of stty size, and output that is no size. */
    @ParameterizedTest
    @CsvSource({"24 132, 132", "'50 97\n', 97", "0 0, 80", "'', 80", "nonsense, 80", "24 99999999, 80"})
    void theWidthComesFromStty(String size, int columns) {
        assertThat(Terminal.parse(size)).isEqualTo(columns);
    }

    private static void run(Console console) {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("device", "cpu");
        facts.put("rows", "4");
        console.header(new RunHeader(facts));
        console.progress("training", 0, 2);
        console.progress("training", 1, 2);
        Map<String, Double> values = new LinkedHashMap<>();
        values.put("loss", Math.log(2));
        values.put("num_tokens", 1234567.0);
        console.metrics(new Metrics(1, values));
        console.progress("training", 2, 2);
    }

    private String text() {
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
