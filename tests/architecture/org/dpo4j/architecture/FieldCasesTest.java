package org.dpo4j.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.platform.commons.support.AnnotationSupport;

/**
 * Kinds of rows and tokenizers that went wrong for users of trainers, and the tests of each kind. A test that is renamed or
 * removed must be replaced here.
 */
class FieldCasesTest {

    /**
     * A kind of input.
     *
     * @param tests class and method of each test, below org.dpo4j
     */
    private record Kind(String what, String... tests) {
        @Override
        public String toString() {
            return what;
        }
    }

    static List<Kind> kinds() {
        return List.of(
                new Kind(
                        "a pipe, in a place that opens a data set twice",
                        "cli.NamedFilesTest#everyCommandReadsAPipeOnce",
                        "cli.NamedFilesTest#aPipeHasTheRowsOfItsFile",
                        "cli.NamedFilesTest#oneFileForTrainingAndEvaluationIsReadOnce",
                        "cli.NamedFilesTest#aPipeWithSplitsIsNotReadForBoth",
                        "cli.DataCommandTest#aPipeIsReadOnce",
                        "data.RowsTest#aPipeIsReadOnce"),
                new Kind(
                        "BOS of a closed vocabulary, which no probe text shows",
                        "data.PythonTokenizersTest#rows",
                        "data.TokenizerFactsTest#textWithoutTokensIsRefusedOrCounted",
                        "data.TokenizerFactsTest#aPromptOfUnknownCharactersIsRefused"),
                new Kind("a tokenizer with dropout", "data.TokenizerFactsTest#dropoutIsOff"),
                new Kind(
                        "special tokens beyond the vocabulary",
                        "data.TokenizerFactsTest#eosOrBosBeyondTheVocabularyIsRefused",
                        "data.TokenizerFactsTest#aBosBeyondTheVocabularyIsRefused"),
                new Kind(
                        "text that ends in EOS and white space",
                        "data.TokenizerFactsTest#noSecondEosIsAddedAfterWhiteSpace",
                        "data.TokenizerFactsTest#noSecondEosIsAddedToSequencesAfterWhiteSpace",
                        "data.RealConversationsTest#idsAreThoseOfTrl"),
                new Kind("padding by EOS", "data.ConversationRowsTest#eosIsLearntAlthoughItPads"),
                new Kind(
                        "a prompt that merges with the answer",
                        "data.TokenizerFactsTest#aPromptThatMergesWithTheAnswerIsRefusedUnlessBosIsBeforeIt",
                        "data.DatasetTest#aBorderInsideATokenMovesBackForBothSides"),
                new Kind(
                        "a bad first row",
                        "data.DatasetTest#aBadFirstRowDoesNotDetermineTheFormat",
                        "cli.NamedFilesTest#logpsAndDpoUseTheSameRows"),
                new Kind(
                        "null for what a row lacks",
                        "data.DatasetTest#aNullColumnIsAnAbsentColumn",
                        "data.row.PairRowsTest#pairsOfMessages"),
                new Kind(
                        "a file of another format",
                        "data.RowsTest#otherFormatsAreNamedAlsoInsideGzip",
                        "data.source.RowSourcesTest#aDirectoryOfAnotherFormatSaysHowToConvertIt",
                        "cli.NamedFilesTest#aGitLfsPointerIsNamedAsOne",
                        "io.FileFormatTest#theErrorSaysWhatToDo"),
                new Kind(
                        "columns that are read or ignored without a word",
                        "data.DatasetTest#columnsThatAreNotUsedAreNamed",
                        "cli.NamedFilesTest#columnsThatAreNotUsedAreNamed",
                        "data.DatasetTest#columnsThatPromptsDoNotUseAreNamed",
                        "train.ReferenceRowsTest#givenLogProbsAreUsedInsteadOfComputed"),
                new Kind(
                        "a library's failure blamed on the user's file",
                        "cli.TokenizerLibraryTest#aCommandNamesTheDirectoryAndNotTheFilesOfTheUser"),
                new Kind(
                        "a start that reads the whole file for a few steps",
                        "train.ReferenceRowsTest#aShortRunReadsFewRows"));
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void everyKindHasItsTests(Kind kind) throws ClassNotFoundException {
        for (String test : kind.tests) {
            String[] names = test.split("#");
            assertThat(Arrays.stream(Class.forName("org.dpo4j." + names[0]).getDeclaredMethods())
                            .filter(method -> method.getName().equals(names[1]))
                            .filter(method -> AnnotationSupport.isAnnotated(method, Test.class)
                                    || AnnotationSupport.isAnnotated(method, ParameterizedTest.class)))
                    .as(test)
                    .hasSize(1);
        }
    }
}
