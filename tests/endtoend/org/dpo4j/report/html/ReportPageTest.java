package org.dpo4j.report.html;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.StringReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.xpath.XPathFactory;
import org.dpo4j.model.TestFiles;
import org.dpo4j.report.record.RecordedRun;
import org.dpo4j.report.record.RunRecord;
import org.dpo4j.report.record.Sample;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

/** The page of a run. The body of a page is well-formed XML too, so it can be parsed here. PageInBrowserTest opens it. */
class ReportPageTest {
    private static final String EVIL = "<script>alert('1')</script>\"&\u0007";

    @TempDir
    private Path directory;

    private RecordedRun run(String name, int lines, int every, double beta) {
        StringBuilder metrics = new StringBuilder();
        for (int step = 1; step <= lines; step++) {
            metrics.append("{\"step\":%d,\"loss\":%s,\"rewards/chosen\":0.25,\"rewards/rejected\":-0.5,\"odd/%s\":1}\n"
                    .formatted(step, step == 3 ? "null" : Double.toString(1.0 / step), "name"));
            if (step % every == 0) {
                metrics.append("{\"step\":%d,\"eval_loss\":%s,\"eval_far_loss\":2,\"eval_runtime\":3}\n"
                        .formatted(step, 2.0 / step));
            }
        }
        TestFiles.write(directory.resolve("metrics.jsonl"), metrics.toString());
        RecordedRun read = RecordedRun.read(directory);
        Map<String, String> options = new LinkedHashMap<>(Map.of("beta", Double.toString(beta), "seed", "1"));
        options.put("name", EVIL);
        RunRecord.Outline outline = new RunRecord.Outline("dpo", "failed", lines, 2 * lines, null, null, EVIL);
        RunRecord record = new RunRecord(
                outline,
                Map.of("device", EVIL, "pairs", "12 rows"),
                options,
                Map.of("weights", 3_000_000L, "other", 1_000_000L),
                Map.of("dpo4j", "1"),
                List.of(EVIL),
                List.of("a notice"));
        Sample sample = new Sample(EVIL, List.of(new Sample.Answer("policy", EVIL, 0.5)));
        return new RecordedRun(name, record, read.metrics(), List.of(sample));
    }

    private static Document parse(String html) throws Exception {
        String body = html.substring(html.indexOf("<body>"), html.indexOf("</html>"));
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(body)));
    }

    private static String value(Document page, String path) throws Exception {
        return XPathFactory.newInstance().newXPath().evaluate(path, page);
    }

    @Test
    void chartsHaveThePointsOfTheMetrics() throws Exception {
        Document page = parse(ReportPage.html(List.of(run("a run", 20, 5, 0.5))));
        String loss = "//figure[@id='chart-loss']";
        assertThat(value(page, "count(" + loss + "//path[@data-points])")).isEqualTo("3"); // training and two sets
        assertThat(value(page, loss + "//path[@data-points][1]/@data-points")).isEqualTo("20");
        assertThat(value(page, "(" + loss + "//path[@data-points])[2]/@data-points"))
                .isEqualTo("4");
        assertThat(value(page, "count(" + loss + "//tbody/tr)")).isEqualTo("20");
        assertThat(value(page, loss + "//tbody/tr[3]/td[1]")).isEqualTo("not finite");
        assertThat(value(page, loss + "//tbody/tr[5]")).isEqualTo("50.20000.40002");
        assertThat(value(page, loss + "//ul")).isEqualTo("lossloss, evalloss, eval far");
        // the line is broken where the loss is not finite
        assertThat(value(page, loss + "//path[@data-points][1]/@d").replaceAll("[^M]", ""))
                .hasSize(2);
        // reward / beta
        assertThat(value(page, "//figure[@id='chart-log-ratio-to-the-reference']//tbody/tr[1]"))
                .isEqualTo("10.5000-1");
        assertThat(value(page, "count(//figure[@id='chart-odd'])")).isEqualTo("1");
        assertThat(value(page, "//dl[@class='tiles']/div[1]"))
                .isEqualTo("Loss0.05000from 1evaluation 0.1000eval far 2");
        assertThat(value(page, "count(//figure[contains(@id,'runtime')])")).isEqualTo("0");
    }

    /** Length bias and memory have charts of their own, and what the run said is at the top. */
    @Test
    void lengthBiasMemoryDiagnosesAndNoticesAreShown() throws Exception {
        TestFiles.write(
                directory.resolve("metrics.jsonl"),
                "{\"step\":1,\"memory_gib/process\":0.5}\n{\"step\":2,\"lengths/margin_correlation\":0.75,"
                        + "\"eval_lengths/margin_correlation\":0.5,\"lengths/chosen\":7,\"memory_gib/process\":0.75}\n");
        TestFiles.write(
                directory.resolve("run.json"),
                "{\"diagnoses\":[\"the margin comes from length alone\"],\"notices\":[\"2 of 8 steps did not\"]}");
        Document page = parse(ReportPage.html(List.of(RecordedRun.read(directory))));
        assertThat(value(page, "//figure[@id='chart-length-bias']//tbody/tr")).isEqualTo("20.75000.5000");
        assertThat(value(page, "//figure[@id='chart-lengths']//tbody/tr")).isEqualTo("27");
        assertThat(value(page, "//figure[@id='chart-memory']//tbody/tr[2]")).isEqualTo("20.7500");
        assertThat(value(page, "//li[@class='diagnosis']")).isEqualTo("the margin comes from length alone");
        assertThat(value(page, "//ul[@class='notes']/li[2]")).isEqualTo("2 of 8 steps did not");
    }

    /** Places are those of the axes: 0 at the bottom of 1000 units, and the last step at the right. */
    @Test
    void pointsAreWhereTheirValuesAre() throws Exception {
        TestFiles.write(
                directory.resolve("metrics.jsonl"),
                "{\"step\":50,\"loss\":0.0}\n{\"step\":100,\"loss\":1.0}\n{\"step\":200,\"loss\":0.5}\n");
        Document page = parse(ReportPage.html(List.of(RecordedRun.read(directory))));
        assertThat(value(page, "//figure[@id='chart-loss']//path[@data-points]/@d"))
                .isEqualTo("M250 1000L500 0L1000 500");
        assertThat(value(page, "count(//figure[@id='chart-loss']//div[@class='values']/span)"))
                .isEqualTo("6");
        assertThat(value(page, "//figure[@id='chart-loss']//div[@class='values']/span[2]/@style"))
                .isEqualTo("bottom:20.00%");
        assertThat(value(page, "//figure[@id='chart-loss']//div[@class='steps']"))
                .isEqualTo("050100150200step");
    }

    @Test
    void textOfDataIsEscaped() throws Exception {
        String html = ReportPage.html(List.of(run(EVIL, 5, 5, 0.1), run(EVIL, 5, 5, 0.2)));
        String one = ReportPage.html(List.of(run(EVIL, 5, 5, 0.1)));
        for (String page : List.of(html, one)) {
            assertThat(page).doesNotContain("<script", "\u0007");
            parse(page);
        }
        assertThat(value(parse(one), "//article")).contains("<script>alert('1')</script>\"&\ufffd");
    }

    @Test
    void thePageNeedsNoNetworkAndNoScript() {
        String html = ReportPage.html(List.of(run("run", 5, 5, 0.1)));
        assertThat(html).contains("default-src 'none'");
        assertThat(Pattern.compile("(src|href)=\"(?!#|data:)").matcher(html).find())
                .isFalse();
        assertThat(html).doesNotContain("url(", "@import", "javascript:", "http:", "https:");
    }

    @Test
    void aLongRunMakesASmallPageThatKeepsPeaks() throws Exception {
        StringBuilder metrics = new StringBuilder();
        for (int step = 1; step <= 20_000; step++) {
            metrics.append("{\"step\":")
                    .append(step)
                    .append(",\"loss\":")
                    .append(step == 12_345 ? 9 : 1)
                    .append("}\n");
        }
        TestFiles.write(directory.resolve("metrics.jsonl"), metrics.toString());
        String html = ReportPage.html(List.of(RecordedRun.read(directory)));
        assertThat(html.length()).isLessThan(100_000);
        Document page = parse(html);
        assertThat(value(page, "//path[@data-points]/@data-points")).isEqualTo("200");
        assertThat(value(page, "count(//tbody/tr)")).isEqualTo("100");
        // the axis goes from 0 to 10, so the peak of 9 is 100 units below the top, in the area of minimum and maximum
        assertThat(value(page, "//path[starts-with(@class,'range')]/@d")).contains(" 100L");
    }

    @Test
    void runsAreComparedInTheSameCharts() throws Exception {
        List<RecordedRun> runs = new ArrayList<>(List.of(run("same", 5, 5, 0.1), run("same", 9, 3, 0.2)));
        Document page = parse(ReportPage.html(runs));
        assertThat(value(page, "//figure[@id='chart-rewards-chosen']//ul")).isEqualTo("samesame (2)");
        assertThat(value(page, "//div[contains(@class,'runs')]//thead/tr")).endsWith("losseval losseval far loss");
        assertThat(value(page, "//section[@aria-labelledby='options-that-differ']//tbody"))
                .isEqualToIgnoringWhitespace("beta0.10.2");
        assertThat(value(page, "count(//div[contains(@class,'runs')]//tbody/tr)"))
                .isEqualTo("2");
    }
}
