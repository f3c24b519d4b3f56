package org.dpo4j.quickstart;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Made-up film reviews. Each has a tone that decides how often its judging words praise; its first sentence never
 * judges, so that a prompt cut from it gives nothing away. Words and full stops are parted by one space, and every word
 * is lower case.
 */
final class Reviews {

    /** Share of a review's judging words that praise: half of the reviews have the one, half the other. */
    private static final double[] TONES = {0.05, 0.95};

    /** {@code symbol = alternative | alternative}; symbols in an alternative stand in angle brackets. */
    private static final Map<String, List<String>> GRAMMAR = """
        review = <opening> <body> <closing> | <opening> <body> <body> <closing>
        opening = <who> <watched> this <film> <where> <when> . | <when> <who> <watched> this <film> <where> .
        opening = this <film> <played> <where> <when> . | <who> had <heard> about this <film> <when> .
        body = the <aspect> was <degree> <adjective> . | the <aspect> was <adjective> and <adjective> .
        body = the <aspect> and the <aspect> were <adjective> . | <part> <who> <verb> the <adjective> <aspect> .
        body = it is a <adjective> and <adjective> <film> . | every <scene> was <adjective> and <adjective> .
        closing = in the end it was a <noun> . | all in all a <adjective> <noun> . | what a <adjective> <noun> .
        closing = for <audience> this is a <noun> . | <who> <verb> it from start to finish .
        who = i | we | my friend | my brother | my sister | my parents | our neighbour | a colleague
        watched = saw | watched | caught | finished | found | rented | chose
        played = was shown | was playing | ran | opened | came out
        heard = heard | read | talked | learned | wondered
        film = film | movie | picture | drama | comedy | thriller | western | mystery | romance | sequel
        where = at home | in the cinema | on a plane | at a festival | on television | downtown | with friends
        when = last night | yesterday | on sunday | last week | this morning | last summer | in april | after work
        aspect = acting | story | plot | script | music | score | camera work | dialogue | cast | lead actor
        aspect = ending | beginning | pace | humour | editing | villain | hero | sound | setting | soundtrack
        degree = very | quite | really | rather | truly | simply | always | often | so | too
        part = at first | after a while | in the middle | near the end | from the start | for an hour | at times
        scene = scene | line | minute | shot | chapter | song | chase | dance | kiss | fight | joke | twist
        audience = children | adults | fans | students | families | couples | everyone | critics | dreamers
        """.lines().collect(Collectors.toMap(
            line -> line.split(" = ")[0],
            line -> List.of(line.split(" = ")[1].split(" \\| ")),
            (some, more) -> Stream.concat(some.stream(), more.stream()).toList()));

    private final SplittableRandom random;

    Reviews(long seed) {
        random = new SplittableRandom(seed);
    }

    /** The next review. */
    String next() {
        String review = expand("<review>", TONES[random.nextInt(TONES.length)]);
        return review.replaceAll("\\ba (?=[aeiou])", "an ");
    }

    /** The first words of the next review, three to five of them: less than its first sentence. */
    String nextPrompt() {
        return Arrays.stream(next().split(" ")).limit(random.nextInt(3, 6)).collect(Collectors.joining(" "));
    }

    /** Every word a review can hold, in alphabetical order. */
    static List<String> vocabulary() {
        Stream<String> judging = Lexicon.ENTRIES.stream().map(Lexicon.Entry::word);
        Stream<String> others = GRAMMAR.values().stream()
                .flatMap(List::stream)
                .flatMap(alternative -> Arrays.stream(alternative.split(" ")))
                .filter(word -> !word.startsWith("<"));
        return Stream.of(judging, others, Stream.of("an"))
                .flatMap(Function.identity())
                .distinct()
                .sorted()
                .toList();
    }

    private String expand(String text, double praise) {
        Function<String, String> word = symbol -> symbol.startsWith("<")
                ? expand(draw(alternatives(symbol.substring(1, symbol.length() - 1), praise)), praise)
                : symbol;
        return Arrays.stream(text.split(" ")).map(word).collect(Collectors.joining(" "));
    }

    private List<String> alternatives(String symbol, double praise) {
        List<String> neutral = GRAMMAR.get(symbol);
        return neutral == null ? Lexicon.words(symbol, random.nextDouble() < praise) : neutral;
    }

    private String draw(List<String> alternatives) {
        return alternatives.get(random.nextInt(alternatives.size()));
    }
}
