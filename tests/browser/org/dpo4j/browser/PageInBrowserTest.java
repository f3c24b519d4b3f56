package org.dpo4j.browser;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.dpo4j.cli.Main;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.openqa.selenium.By;
import org.openqa.selenium.Keys;
import org.openqa.selenium.WebElement;

/** The report of a run in a browser: what the HTML alone does not show. */
class PageInBrowserTest {
    private static final int LINES = 40;
    private static final String LONG = "a-very-long-name-without-a-space-".repeat(8);

    @TempDir
    private static Path directory;

    private static Browser browser;

    @BeforeAll
    static void start() throws IOException {
        for (String name : List.of("one", "two")) {
            write(name);
            assertThat(Main.run("report", directory.resolve(name).toString())).isZero();
        }
        assertThat(Main.run(
                        "report",
                        directory.resolve("one").toString(),
                        directory.resolve("two").toString(),
                        "--output",
                        directory.resolve("both.html").toString()))
                .isZero();
        browser = new Browser(directory.resolve("profile"));
    }

    @AfterAll
    static void stop() {
        browser.close();
    }

    private static void write(String name) throws IOException {
        Path run = Files.createDirectory(directory.resolve(name));
        StringBuilder lines = new StringBuilder();
        for (int step = 1; step <= LINES; step++) {
            lines.append(
                    "{\"step\":%d,\"loss\":%s,\"rewards/chosen\":%s,\"rewards/rejected\":-0.5,\"learning_rate\":1e-6}\n"
                            .formatted(step, 0.7 / step, step / 40.0));
            if (step % 10 == 0) {
                lines.append("{\"step\":%d,\"eval_loss\":%s}\n".formatted(step, 0.8 / step));
            }
        }
        Files.writeString(run.resolve("metrics.jsonl"), lines);
        Files.writeString(run.resolve("run.json"), """
                {"trainer": "dpo", "status": "completed", "step": 40, "steps": 40, "started": "2026-11-29T12:00:00Z",
                 "ended": "2026-11-29T12:03:00Z", "facts": {"model": "%1$s", "pairs": "12 rows"},
                 "options": {"beta": "0.1", "model_name_or_path": "/%1$s/%2$s"}, "memory": {"weights": 3, "other": 1},
                 "software": {"dpo4j": "1"}, "diagnoses": ["<img src=x onerror=alert(1)> %1$s"], "notices": []}
                """.formatted(LONG, name));
    }

    private static Path page(String name) {
        return directory.resolve(name.equals("both") ? "both.html" : name + "/report.html");
    }

    @ParameterizedTest
    @CsvSource({"one, 1280", "one, 360", "both, 1280", "both, 360"})
    void opensWithoutErrorsRequestsAndSidewaysScrolling(String name, int width) {
        browser.open(page(name), width, "light", "screen");
        assertThat(browser.console()).isEmpty();
        assertThat(browser.requests().stream()
                        .filter(url -> !url.matches("(data|chrome):.*"))
                        .distinct())
                .containsExactly(page(name).toUri().toString());
        Long beyond = browser.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assertThat(beyond).isZero();
    }

    @Test
    void linesAreDrawnWithAllPoints() {
        browser.open(page("one"), 1280, "light", "screen");
        WebElement loss = browser.driver().findElement(By.id("chart-loss"));
        List<WebElement> lines = loss.findElements(By.cssSelector("path[data-points]"));
        assertThat(lines).hasSize(2);
        assertThat(String.valueOf(lines.get(0).getDomAttribute("d")).split("[ML]"))
                .hasSize(1 + LINES);
        assertThat(String.valueOf(lines.get(1).getDomAttribute("d")).split("[ML]"))
                .hasSize(1 + LINES / 10);
        assertThat(loss.findElements(By.cssSelector("rect.band"))).hasSize(LINES);
        // The line of training reaches from the first step to the last, so it is nearly as wide as the plot.
        Double share =
                browser.ask("document.querySelector('#chart-loss path.line[data-points]').getBoundingClientRect().width"
                        + " / document.querySelector('#chart-loss .plot').getBoundingClientRect().width");
        assertThat(share).isBetween(0.96, 1.02); // 39 of 40 steps, and the width of the line
        String dashes = browser.ask(
                "getComputedStyle(document.querySelector('#chart-loss svg:not(.legend svg) .dashed')).strokeDasharray");
        assertThat(dashes).isNotEqualTo("none");
    }

    /** No label is outside of the figure that it belongs to. */
    @ParameterizedTest
    @CsvSource({"1280", "360"})
    void labelsFitIntoTheirFigures(int width) {
        browser.open(page("one"), width, "light", "screen");
        List<String> outside = browser.ask("""
                [...document.querySelectorAll('figure .plot span, figure .plot b')].filter(label => {
                    const box = label.closest('figure').getBoundingClientRect(), own = label.getBoundingClientRect();
                    return own.left < box.left || own.right > box.right || own.bottom > box.bottom || own.top < box.top;
                }).map(label => label.textContent)""".replace("\n", " "));
        assertThat(outside).isEmpty();
    }

    /** Text has the contrast that WCAG 2.2 asks of small text, lines what it asks of graphics. */
    @ParameterizedTest
    @CsvSource({"light", "dark"})
    void coloursHaveContrast(String scheme) {
        browser.open(page("one"), 1280, scheme, "screen");
        double back = luminance(browser.ask("getComputedStyle(document.querySelector('.chart')).backgroundColor"));
        assertThat(back < 0.2).isEqualTo(scheme.equals("dark"));
        for (String element :
                List.of("h3", "figcaption p", "summary", ".plot span", ".tiles dt", "footer", ".facts", ".diagnosis")) {
            double front = luminance(browser.ask("getComputedStyle(document.querySelector('" + element + "')).color"));
            double behind = element.equals(".diagnosis")
                    ? luminance(browser.ask("getComputedStyle(document.querySelector('.diagnosis')).backgroundColor"))
                    : back;
            assertThat(contrast(front, behind)).as(element).isGreaterThanOrEqualTo(4.5);
        }
        for (int i = 0; i < 8; i++) {
            String color =
                    browser.ask("(() => { const line = document.querySelector('path.line'); line.setAttribute('class',"
                            + " 'line c" + i + "'); return getComputedStyle(line).stroke; })()");
            assertThat(contrast(luminance(color), back)).as("colour " + i).isGreaterThanOrEqualTo(3);
        }
    }

    /** Relative luminance of {@code rgb(r, g, b)}, by WCAG 2.2. */
    private static double luminance(String color) {
        String[] parts = color.replaceAll("[^0-9,.]", "").split(",");
        double[] weights = {0.2126, 0.7152, 0.0722};
        double sum = 0;
        for (int i = 0; i < 3; i++) {
            double share = Double.parseDouble(parts[i]) / 255;
            sum += weights[i] * (share <= 0.04045 ? share / 12.92 : Math.pow((share + 0.055) / 1.055, 2.4));
        }
        return sum;
    }

    private static double contrast(double one, double other) {
        return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    }

    /** Tab goes to the skip link, the sections, then the values of each chart; the skip link leads past the sections. */
    @Test
    void theKeyboardReachesEverything() {
        browser.open(page("one"), 1280, "light", "screen");
        List<String> focused = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            browser.driver().switchTo().activeElement().sendKeys(Keys.TAB);
            focused.add(browser.driver().switchTo().activeElement().getText());
        }
        assertThat(focused)
                .startsWith("Skip to the report", "Diagnoses", "Charts", "Data", "Setup", "Memory", "Options");
        assertThat(focused.subList(focused.indexOf("Options") + 1, focused.size()))
                .allMatch(text -> text.startsWith("Values"));
        WebElement summary = browser.driver().switchTo().activeElement();
        summary.sendKeys(Keys.ENTER);
        assertThat(summary.findElement(By.xpath("..")).getDomProperty("open")).isEqualTo("true");
        browser.open(page("one"), 1280, "light", "screen");
        browser.driver().switchTo().activeElement().sendKeys(Keys.TAB);
        browser.driver().switchTo().activeElement().sendKeys(Keys.ENTER);
        String active = browser.ask("document.activeElement.id");
        assertThat(active).isEqualTo("main");
    }

    @Test
    void paperIsWhiteAndHasNoControls() {
        browser.open(page("one"), 800, "dark", "print");
        String back = browser.ask("getComputedStyle(document.body).backgroundColor");
        assertThat(back).isEqualTo("rgb(255, 255, 255)");
        List<String> shown = browser.ask("[...document.querySelectorAll('nav, .chart summary')].filter(e =>"
                + " e.getClientRects().length).map(e => e.tagName)");
        assertThat(shown).isEmpty();
        Map<String, Object> pdf = browser.driver().executeCdpCommand("Page.printToPDF", Map.of());
        assertThat(String.valueOf(pdf.get("data"))).startsWith("JVBERi0"); // %PDF- in base64
    }
}
