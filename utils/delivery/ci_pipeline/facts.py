"""Facts about Jenkins, each with its source and the day on which it was read. Versions age: look them up again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

READ_ON = date(2026, 11, 27)


@dataclass(frozen=True)
class Fact:
    """A statement, where it stands, and the last day for which that source was read."""

    says: str
    source: str
    as_of: date = READ_ON


JENKINS_FACTS = (
    Fact("The rename from Hudson was voted on 2011-01-29: 214 votes for it, 14 against.",
         "A. Bayer, post of 2011-01-29 on jenkins-ci.org"),
    Fact("Jenkins is under the MIT licence.", "jenkinsci/jenkins, LICENSE.txt"),
    Fact("Controller and agents need Java 17 or newer since LTS 2.479.1, Java 21 since LTS 2.555.1.",
         "jenkins.io blog of 2024-06-11; jenkins.io upgrade guide 2.555, as quoted in nodejs/build issue 4304; "
         "CloudBees, Migrate to Java 21"),
    Fact("Blocks of post run by ordinal: always 1000, changed 900, fixed 890, regression 880, down to cleanup.",
         "jenkinsci/pipeline-model-definition-plugin, model/conditions/*.groovy"),
)
