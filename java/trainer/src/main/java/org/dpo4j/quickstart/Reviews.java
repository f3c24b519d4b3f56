package org.dpo4j.quickstart;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Generates film reviews from a grammar. Each review has a tone: the probability that a sentiment word in it is
 * positive. The first sentence has no sentiment words, so a prompt cut from it does not reveal the tone. Words and full
 * stops are separated by one space, and all words are lower case.
 */
final class Reviews {

    /** Probability that a sentiment word is positive. Half of the reviews have the first value, half the second. */
    private static final double[] TONES = {0.05, 0.95};

    /** {@code symbol = alternative | alternative}. Symbols in an alternative are in angle brackets. */
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

    /** The first three to five words of the next review, which are less than its first sentence. */
    String nextPrompt() {
        return Arrays.stream(next().split(" ")).limit(random.nextInt(3, 6)).collect(Collectors.joining(" "));
    }

    /** All words that a review can contain, in alphabetical order. */
    static List<String> vocabulary() {
        Stream<String> sentiment = Lexicon.ENTRIES.stream().map(Lexicon.Entry::word);
        Stream<String> others = GRAMMAR.values().stream()
                .flatMap(List::stream)
                .flatMap(alternative -> Arrays.stream(alternative.split(" ")))
                .filter(word -> !word.startsWith("<"));
        return Stream.of(sentiment, others, Stream.of("an"))
                .flatMap(Function.identity())
                .distinct()
                .sorted()
                .toList();
    }

    private String expand(String text, double tone) {
        Function<String, String> word = symbol -> symbol.startsWith("<")
                ? expand(draw(alternatives(symbol.substring(1, symbol.length() - 1), tone)), tone)
                : symbol;
        return Arrays.stream(text.split(" ")).map(word).collect(Collectors.joining(" "));
    }

    private List<String> alternatives(String symbol, double tone) {
        List<String> neutral = GRAMMAR.get(symbol);
        return neutral == null ? Lexicon.words(symbol, random.nextDouble() < tone) : neutral;
    }

    private String draw(List<String> alternatives) {
        return alternatives.get(random.nextInt(alternatives.size()));
    }
}
