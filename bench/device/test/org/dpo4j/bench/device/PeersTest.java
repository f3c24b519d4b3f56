package org.dpo4j.bench.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What the scripts of bench/peers believe of native/dpo4j.h, without running them: a build has no Python. */
class PeersTest {
    private static final Path ROOT = Path.of(System.getenv("DPO4J_ROOT"));
    private static final Path PEERS = ROOT.resolve("bench/peers");

    private static String read(Path file) throws IOException {
        return Files.readString(file);
    }

    /** All groups 1 of a pattern. */
    private static List<String> all(String pattern, String text) {
        return Pattern.compile(pattern)
                .matcher(text)
                .results()
                .map(match -> match.group(1))
                .toList();
    }

    @Test
    void callWhatTheyDeclare() throws IOException {
        List<String> declared = all("\"(dpo4j_\\w+)\"", read(PEERS.resolve("header.py")));
        assertThat(declared)
                .isSubsetOf(all("DPO4J_API [\\w* ]+[ *](dpo4j_\\w+)\\(", read(ROOT.resolve("native/dpo4j.h"))));
        TreeSet<String> called = new TreeSet<>();
        try (Stream<Path> files = Files.list(PEERS)) {
            for (Path file :
                    files.filter(each -> each.toString().endsWith(".py")).toList()) {
                called.addAll(all("\\.(dpo4j_\\w+)\\(", read(file)));
                assertThat(file.endsWith("header.py") || !read(file).contains("CDLL"))
                        .as("%s loads the library by header.load", file)
                        .isTrue();
            }
        }
        assertThat(called).isNotEmpty().isEqualTo(new TreeSet<>(declared));
    }

    /** What {@link Counterparts} says each has, against the tables of gpu.py: the keys of the last dictionary of each function. */
    @Test
    void counterpartsAreThoseOfTheScript() throws IOException {
        String script = read(PEERS.resolve("gpu.py"));
        List<String> torch = keys(script, "torch_cases");
        List<String> skipped =
                all("\"(\\w+)\"", all("skipped = \\(([^)]*)\\)", script).get(0));
        List<String> compiled =
                torch.stream().filter(name -> !skipped.contains(name)).toList();
        assertThat(Counterparts.BY_PEER.keySet()).containsExactly("eager", "compile", "liger", "trl");
        assertThat(Counterparts.BY_PEER.get("eager")).containsExactlyInAnyOrderElementsOf(torch);
        assertThat(Counterparts.BY_PEER.get("compile")).containsExactlyInAnyOrderElementsOf(compiled);
        assertThat(Counterparts.BY_PEER.get("liger")).containsExactlyInAnyOrderElementsOf(keys(script, "liger"));
        assertThat(Counterparts.BY_PEER.get("trl")).containsExactlyInAnyOrderElementsOf(keys(script, "trl"));
    }

    private static List<String> keys(String script, String function) {
        String body = all("(?s)\ndef " + function + "\\(.*?(\n    return \\{.*?\n    \\})", script)
                .get(0);
        List<String> keys = all("(?m)^        \"(\\w+)\": ", body);
        assertThat(keys).isNotEmpty();
        return keys;
    }
}
