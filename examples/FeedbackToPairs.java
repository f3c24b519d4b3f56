///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.dpo4j:dpo4j-trainer:0.1.0-SNAPSHOT

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;

/**
 * Turns a log of thumbs into rows for {@code dpo4j kto} and pairs for {@code dpo4j dpo}.
 *
 * <pre>
 * java -cp 'java/trainer/target/lib/*' examples/FeedbackToPairs.java FEEDBACK.jsonl OUTPUT
 * </pre>
 *
 * A line of FEEDBACK.jsonl is one click: {"conversation": "c1", "prompt": "...", "answer": "...", "thumb": "up", "time":
 * "2026-11-29T12:00:00Z"}. The thumb is up, down, or null if the user took it back. From a database, with
 * the jar of its JDBC driver on the class path, and a query for these five columns in this order. The time is a timestamp, or
 * text as above:
 *
 * <pre>
 * java -cp 'java/trainer/target/lib/*:postgresql.jar' examples/FeedbackToPairs.java 'jdbc:postgresql://localhost/app?user=me' OUTPUT
 *     'SELECT conversation_id, prompt, answer, thumb, created_at FROM feedback'
 * </pre>
 *
 * If an answer was clicked several times in a conversation, the last click counts. The same answer to the same prompt may
 * occur in several conversations: then its votes are added, and an answer with as many ups as downs is left out. OUTPUT/unpaired.jsonl has every other answer: {"prompt",
 * "completion", "label"}. OUTPUT/pairs.jsonl has each up-voted answer with each down-voted answer of the same prompt:
 * {"prompt", "chosen", "rejected", "weight"}. The weights of a prompt sum to one, so that no prompt counts more than others.
 */
class FeedbackToPairs {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final List<String> COLUMNS = List.of("conversation", "prompt", "answer", "thumb", "time");

    private record Click(String conversation, String prompt, String answer, int vote, Instant time) {}

    public static void main(String[] args) throws IOException, SQLException {
        boolean isDatabase = args.length > 0 && args[0].startsWith("jdbc:");
        if (args.length != (isDatabase ? 3 : 2)) {
            System.err.println("usage: FeedbackToPairs.java FEEDBACK.jsonl OUTPUT, or FeedbackToPairs.java jdbc:URL OUTPUT QUERY");
            System.exit(2);
        }
        List<Click> clicks = isDatabase ? selected(args[0], args[2]) : logged(Path.of(args[0]));
        Map<String, Map<String, Integer>> votes = votes(lastClicks(clicks));
        List<ObjectNode> unpaired = new ArrayList<>();
        List<ObjectNode> pairs = new ArrayList<>();
        int ties = 0;
        for (var prompt : votes.entrySet()) {
            List<String> good = answers(prompt.getValue(), 1);
            List<String> bad = answers(prompt.getValue(), -1);
            ties += prompt.getValue().size() - good.size() - bad.size();
            good.forEach(answer -> unpaired.add(unpaired(prompt.getKey(), answer, true)));
            bad.forEach(answer -> unpaired.add(unpaired(prompt.getKey(), answer, false)));
            for (String chosen : good) {
                for (String rejected : bad) {
                    double weight = 1.0 / (good.size() * bad.size());
                    pairs.add(pair(prompt.getKey(), chosen, rejected, weight));
                }
            }
        }
        // kto reads rows in the order of the file, and its batches need rows of both labels
        Collections.shuffle(unpaired, new Random(42));
        Path output = Files.createDirectories(Path.of(args[1]));
        write(output.resolve("unpaired.jsonl"), unpaired);
        write(output.resolve("pairs.jsonl"), pairs);
        System.out.printf(
                "%d answers (%d up, %d down) of %d prompts in unpaired.jsonl; %d pairs in pairs.jsonl; %d ties left out%n",
                unpaired.size(),
                unpaired.stream().filter(row -> row.get("label").booleanValue()).count(),
                unpaired.stream().filter(row -> !row.get("label").booleanValue()).count(),
                votes.size(),
                pairs.size(),
                ties);
    }

    /** The clicks that the lines of a file have. */
    private static List<Click> logged(Path log) throws IOException {
        List<Click> clicks = new ArrayList<>();
        int number = 0;
        for (String line : Files.readAllLines(log)) {
            number++;
            if (!line.isBlank()) {
                clicks.add(click(JSON.readTree(line), log + " line " + number));
            }
        }
        return clicks;
    }

    /** The clicks that a query of a database returns. */
    private static List<Click> selected(String url, String query) throws SQLException {
        List<Click> clicks = new ArrayList<>();
        try (Connection connection = DriverManager.getConnection(url);
                Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(query)) {
            int columns = rows.getMetaData().getColumnCount();
            if (columns != COLUMNS.size()) {
                throw new IllegalArgumentException(
                        "the query has " + columns + " columns; select " + String.join(", ", COLUMNS) + ", in this order");
            }
            while (rows.next()) {
                ObjectNode row = JSON.createObjectNode();
                for (int i = 0; i < columns; i++) {
                    row.put(COLUMNS.get(i), text(rows, i + 1));
                }
                clicks.add(click(row, "row " + (clicks.size() + 1) + " of the query"));
            }
        }
        return clicks;
    }

    /** A value as the lines of a file have it. */
    private static String text(ResultSet rows, int column) throws SQLException {
        Object value = rows.getObject(column);
        if (value instanceof Timestamp time) {
            return time.toInstant().toString();
        }
        if (value instanceof OffsetDateTime time) {
            return time.toInstant().toString();
        }
        return value instanceof LocalDateTime time
                ? time.toInstant(ZoneOffset.UTC).toString()
                : rows.getString(column);
    }

    /** The last click on each answer in each conversation, in the order of the first clicks. */
    private static List<Click> lastClicks(List<Click> clicks) {
        Map<List<String>, Click> last = new LinkedHashMap<>();
        for (Click click : clicks) {
            last.merge(
                    List.of(click.conversation, click.prompt, click.answer),
                    click,
                    (before, now) -> now.time.isBefore(before.time) ? before : now);
        }
        return List.copyOf(last.values());
    }

    private static Click click(JsonNode row, String place) {
        for (String key : List.of("conversation", "prompt", "answer", "time")) {
            if (!row.path(key).isTextual()) {
                throw new IllegalArgumentException(place + ": " + key + " is " + row.path(key) + "; give text");
            }
        }
        int vote = switch (row.path("thumb").asText("null")) {
            case "up" -> 1;
            case "down" -> -1;
            case "null" -> 0;
            default ->
                throw new IllegalArgumentException(
                        place + ": thumb is " + row.path("thumb") + "; it must be \"up\", \"down\" or null");
        };
        return new Click(
                row.get("conversation").textValue(),
                row.get("prompt").textValue(),
                row.get("answer").textValue(),
                vote,
                Instant.parse(row.get("time").textValue()));
    }

    /** For each prompt and answer, ups minus downs. Thumbs that were taken back do not count. */
    private static Map<String, Map<String, Integer>> votes(List<Click> clicks) {
        Map<String, Map<String, Integer>> votes = new LinkedHashMap<>();
        for (Click click : clicks) {
            if (click.vote != 0) {
                votes.computeIfAbsent(click.prompt, prompt -> new LinkedHashMap<>())
                        .merge(click.answer, click.vote, Integer::sum);
            }
        }
        return votes;
    }

    private static List<String> answers(Map<String, Integer> votes, int sign) {
        Stream<Map.Entry<String, Integer>> chosen =
                votes.entrySet().stream().filter(answer -> Integer.signum(answer.getValue()) == sign);
        return chosen.map(Map.Entry::getKey).toList();
    }

    private static ObjectNode unpaired(String prompt, String answer, boolean label) {
        return JSON.createObjectNode().put("prompt", prompt).put("completion", answer).put("label", label);
    }

    private static ObjectNode pair(String prompt, String chosen, String rejected, double weight) {
        ObjectNode row = JSON.createObjectNode().put("prompt", prompt);
        return row.put("chosen", chosen).put("rejected", rejected).put("weight", weight);
    }

    private static void write(Path file, List<ObjectNode> rows) throws IOException {
        Files.write(file, rows.stream().map(ObjectNode::toString).toList());
    }
}
