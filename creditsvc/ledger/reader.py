"""The read side: everything that answers, put together."""

from creditsvc.domain.naming import View
from creditsvc.domain.standing import Rules
        self.courses = Courses(self.moments.folds, rules)
        self.search = Search(pool, self.moments, rules.schedule)
