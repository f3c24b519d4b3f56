package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.StringReader;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.dpo4j.cli.FrontierPicture.Point;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

/** The picture of a metric against KL. */
class FrontierPictureTest {
    private static final List<Point> POINTS = List.of(
            new Point(1, "beta=0.05", 4, 0.9),
            new Point(2, "beta=0.1", 2, 0.7),
            new Point(3, "beta=0.5", 3, 0.6), // 2 is better in both
            new Point(4, "a<b&c", 1, 0.7), // as good as 2, nearer to the reference
            new Point(5, "beta=2", 0.5, 0.2));

    @Test
    void theFrontierHasNoRunThatAnotherBeats() {
        assertThat(FrontierPicture.frontier(POINTS, "eval_rewards/accuracies"))
                .extracting(Point::number)
                .containsExactly(5, 4, 1);
        assertThat(FrontierPicture.frontier(POINTS, "eval_loss"))
                .extracting(Point::number)
                .containsExactly(5);
    }

    /** An XML parser reads it: a circle for each run, higher values further up, larger KL further right. */
    @Test
    void itIsAPictureOfAllRuns() throws Exception {
        Document svg = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new InputSource(new StringReader(FrontierPicture.svg(POINTS, "eval_rewards/accuracies"))));
        assertThat(svg.getElementsByTagName("circle").getLength()).isEqualTo(5);
        assertThat(at(svg, 0, "cy")).isLessThan(at(svg, 1, "cy"));
        assertThat(at(svg, 0, "cx")).isGreaterThan(at(svg, 1, "cx"));
        assertThat(at(svg, 3, "cy")).isEqualTo(at(svg, 1, "cy"));
        assertThat(svg.getElementsByTagName("circle").item(3).getTextContent())
                .isEqualTo("4: a<b&c, KL 1.00, eval_rewards/accuracies 0.700");
        String line = svg.getElementsByTagName("polyline")
                .item(0)
                .getAttributes()
                .getNamedItem("points")
                .getNodeValue();
        assertThat(line.split(" ")).hasSize(3);
    }

    private static double at(Document svg, int circle, String attribute) {
        return Double.parseDouble(svg.getElementsByTagName("circle")
                .item(circle)
                .getAttributes()
                .getNamedItem(attribute)
                .getNodeValue());
    }

    /** One run, and runs with one value, have a picture too. */
    @Test
    void equalValuesHaveARange() {
        assertThat(FrontierPicture.svg(List.of(new Point(1, "a", 0, 0)), "eval_loss"))
                .doesNotContain("NaN", "Infinity");
    }
}
