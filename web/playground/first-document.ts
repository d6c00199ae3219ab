const run = navigator.userAgent.includes('Mac') ? 'Cmd+Enter' : 'Ctrl+Enter'

/** What the editor shows a newcomer: a query, a mutation and a subscription that run as they are, once signed in. */
export const firstDocument = `# Welcome to the playground of Lorebridge.
#
# 1. Sign in, or make an account: top right.
# 2. Put the cursor into one of the three
#    operations below.
# 3. Press ${run}, or the run button.
#
# Ctrl+Space completes what you type. The book
# on the left has the whole API, and the clock
# what you ran before.

# Who am I, and what do people here know?
query Look {
  viewer {
    email
    user {
      name
    }
  }
  knowledge(first: 5) {
    totalCount
    edges {
      node {
        title
        owner {
          name
        }
      }
    }
  }
}

# Offer something that you know. Everybody sees
# its title; its content is for those whom you
# share it with.
mutation Offer {
  createKnowledge(
    input: {
      title: "When to prune an apple tree"
      content: "In late winter, on a dry day."
    }
  ) {
    knowledge {
      id
      title
      createdAt
    }
  }
}

# See what people offer, as they offer it. Run
# this: it waits. Then open this page in a second
# window and run Offer there. The run button
# stops it.
subscription Watch {
  knowledgePublished {
    title
    createdAt
    owner {
      name
    }
  }
}
`
